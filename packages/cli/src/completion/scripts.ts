// In: a shell. Out: the script that makes it ask `__complete`. Pure. Called by command.ts.

const bash = (name: string): string => `# bash completion of ${name}
__${name}_complete() {
  local words out line candidates=()
  words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  out=$(${name} __complete -- "\${words[@]}" 2>/dev/null) || return
  while IFS= read -r line; do
    case "$line" in :[0-9]*) ;; *) candidates+=("\${line%%$'\\t'*}") ;; esac
  done <<< "$out"
  COMPREPLY=("\${candidates[@]}")
}
complete -o nosort -F __${name}_complete ${name}
`;

const zsh = (name: string): string => `#compdef ${name}
_${name}() {
  local -a candidates
  local line
  for line in "\${(@f)$(${name} __complete -- "\${(@)words[2,$CURRENT]}" 2>/dev/null)}"; do
    [[ "$line" == :[0-9]* ]] || candidates+=("\${line/$'\\t'/:}")
  done
  _describe '${name}' candidates
}
compdef _${name} ${name}
`;

const fish = (name: string): string => `# fish completion of ${name}
function __${name}_complete
  set -l words (commandline -opc) (commandline -ct)
  ${name} __complete -- $words[2..-1] 2>/dev/null | string match -v -r '^:[0-9]+$'
end
complete -c ${name} -f -a '(__${name}_complete)'
`;

const powershell = (name: string): string => `# PowerShell completion of ${name}
Register-ArgumentCompleter -Native -CommandName ${name} -ScriptBlock {
  param($word, $ast, $position)
  $words = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
  if ($word -eq '') { $words += '' }
  & ${name} __complete '--' @words 2>$null | Where-Object { $_ -notmatch '^:[0-9]+$' } | ForEach-Object {
    $parts = $_ -split "\`t", 2
    [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', ($parts[1] ?? $parts[0]))
  }
}
`;

const scripts: Readonly<Record<string, (name: string) => string>> = { bash, zsh, fish, powershell };

/** The script of a shell. */
export const completionScript = (shell: string, name: string): string => scripts[shell]?.(name) ?? '';
