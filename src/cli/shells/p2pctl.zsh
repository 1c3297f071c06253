#compdef p2pctl
# zsh completion for p2pctl: a file _p2pctl in a folder of $fpath, or in ~/.zshrc after compinit:
#   source <(p2pctl completion zsh)

_p2pctl() {
  local -a lines offered
  local kind lead line value says
  lines=("${(@f)$(p2pctl __complete "${(@Q)words[2,CURRENT-1]}" "+${(Q)PREFIX}" 2>/dev/null </dev/null)}")
  kind=${lines[1]%% *}
  lead=${lines[1]#* }
  case $kind in
    files | folders)
      compset -P "${(b)lead}"
      if [[ $kind == files ]]; then _files; else _files -/; fi
      ;;
    words | open)
      for line in "${(@)lines[2,-1]}"; do
        value=${${line%%$'\t'*}//:/\\:}
        says=${line#*$'\t'}
        offered+=("$value${says:+:$says}")
      done
      if [[ $kind == open ]]; then _describe p2pctl offered -S ''; else _describe p2pctl offered; fi
      ;;
  esac
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
  _p2pctl "$@"
else
  compdef _p2pctl p2pctl
fi
