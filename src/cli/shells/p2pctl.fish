# fish completion for p2pctl:
#   p2pctl completion fish > ~/.config/fish/completions/p2pctl.fish

function __p2pctl_complete
    set -l before (commandline -opc)
    # as it is meant: without the quote that is still open, or the backslashes
    set -l last (commandline -ct | string replace -r '^["\']' '' | string unescape)
    set -l lines (p2pctl __complete $before[2..-1] "+$last" 2>/dev/null </dev/null)
    set -l head (string split -m 1 ' ' -- $lines[1])
    set -l rest (string sub -s (math 1 + (string length -- "$head[2]")) -- "$last")
    switch "$head[1]"
        case files
            for found in (__fish_complete_path "$rest")
                echo -- "$head[2]$found"
            end
        case folders
            for found in (__fish_complete_directories "$rest")
                echo -- "$head[2]$found"
            end
        case words open
            test (count $lines) -gt 1; and printf '%s\n' $lines[2..-1]
    end
end

complete -c p2pctl -e
complete -c p2pctl -f -a '(__p2pctl_complete)'
