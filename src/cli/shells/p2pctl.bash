# bash completion for p2pctl; to have it in each new shell, put this into ~/.bashrc:
#   source <(p2pctl completion bash)

_p2pctl() {
  local words=() word rest line=${COMP_LINE:0:COMP_POINT} i
  # bash takes words apart at : = and @, which stand in addresses and options: what has no space before it goes together
  for ((i = 0; i <= COMP_CWORD; i++)); do
    rest=${line#"${line%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i == COMP_CWORD)) && word=$rest
    if ((i > 0)) && [[ -n $word && $rest == "$line" ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    line=${rest#"$word"}
  done

  local last=${words[${#words[@]} - 1]} answer kind lead value says
  answer=$(p2pctl __complete "${words[@]:1:${#words[@]} - 2}" "+$last" 2>/dev/null </dev/null)$'\n' || return
  read -r kind lead <<<"${answer%%$'\n'*}"
  COMPREPLY=()
  compopt +o default
  # what stands before the part of the word that bash puts an answer in the place of
  local before=${last%"$2"}
  case $kind in
    files | folders)
      local only=-f
      [[ $kind == folders ]] && only=-d
      if [[ ${before} == *"$lead" ]]; then
        # readline knows best about quotes, ~ and the slash behind a folder
        [[ $kind == folders ]] && compopt -o dirnames || compopt -o default
        return
      fi
      local part=${lead#"$before"}
      while IFS= read -r value; do
        [[ -d $value ]] && value+=/ && compopt -o nospace
        printf -v value %q "$value"
        COMPREPLY+=("$part$value")
      done < <(compgen "$only" -- "${2#"$part"}")
      ;;
    words | open)
      [[ $kind == open ]] && compopt -o nospace
      while IFS=$'\t' read -r value says; do
        [[ -n $value ]] && COMPREPLY+=("${value#"$before"}")
      done <<<"${answer#*$'\n'}"
      ;;
  esac
}

complete -o default -F _p2pctl p2pctl
