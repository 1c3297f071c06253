# PowerShell completion for p2pctl; to have it in each new shell, put this into $PROFILE:
#   p2pctl completion powershell | Out-String | Invoke-Expression

Register-ArgumentCompleter -Native -CommandName p2pctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $quotes = [char[]]"'`""
    # in PowerShell an @ or a comma that is not in quotes means something else
    $quoted = { param($text) if ($text -match '[@, ]') { "'$text'" } else { $text } }
    $before = @($commandAst.CommandElements |
        Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text.Trim($quotes) })
    $last = "$wordToComplete".Trim($quotes)
    $lines = @(p2pctl __complete @before "+$last" 2>$null)
    if ($lines.Count -eq 0) { return }
    $kind, $lead = $lines[0] -split ' ', 2

    if ($kind -eq 'files' -or $kind -eq 'folders') {
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($last.Substring($lead.Length)) |
            Where-Object { $kind -eq 'files' -or $_.ResultType -eq 'ProviderContainer' } |
            ForEach-Object {
                $text = & $quoted "$lead$($_.CompletionText.Trim($quotes))"
                [System.Management.Automation.CompletionResult]::new($text, $_.ListItemText, $_.ResultType, $_.ToolTip)
            }
        return
    }
    $lines | Select-Object -Skip 1 | ForEach-Object {
        $value, $says = $_ -split "`t", 2
        if (-not $says) { $says = $value }
        [System.Management.Automation.CompletionResult]::new((& $quoted $value), $value, 'ParameterValue', $says)
    }
}
