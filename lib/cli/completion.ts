/** `PROGRAM completion SHELL`: the script that makes a shell ask the program for completions. */
import { runtime } from "../runtime/mod.ts";
import type { Command } from "./command.ts";
import type { Offer } from "./complete.ts";
import { UsageError } from "./usage_error.ts";

/** The word that asks for completions: `PROGRAM complete -- WORD…`. */
export const COMPLETE = "complete";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** Makes the command that prints the script for a shell. */
export function completionCommand(program: string): Command {
  return {
    name: "completion",
    operands: [{ name: "SHELL", completes: () => SHELLS }],
    summary: `print what makes bash, zsh or fish complete ${program}'s lines`,
    description: `bash: ${program} completion bash > /etc/bash_completion.d/${program}
zsh:  ${program} completion zsh > /usr/local/share/zsh/site-functions/_${program}
fish: ${program} completion fish > ~/.config/fish/completions/${program}.fish`,
    options: [],
    example: `${program} completion bash`,
    run(line) {
      const shell = SHELLS.find((name) => name === line.operands[0]);
      if (!shell) throw new UsageError(`there is a completion for ${SHELLS.join(", ")} only`);
      runtime.write(1, SCRIPTS[shell](program));
      return 0;
    },
  };
}

/**
 * Formats lines for the scripts: a word, a tab, its description; a last one for paths and programs.
 */
export function offerLines({ candidates, also }: Offer): string {
  const lines = candidates.map(({ word, about }) => `${word}\t${about}\n`);
  return [...lines, also === undefined ? "" : `:${also}\n`].join("");
}

const SCRIPTS: Readonly<Record<typeof SHELLS[number], (program: string) => string>> = {
  bash: (program) =>
    `_${program}() {
  local word also line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :file) also=-f ;;
      :directory) also=-d ;;
      :program) also=-c ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(${program} ${COMPLETE} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ -n $also ]]; then
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen $also -- "\${COMP_WORDS[COMP_CWORD]}")
    compopt -o filenames 2>/dev/null
  fi
}
complete -F _${program} ${program}
`,
  zsh: (program) =>
    `#compdef ${program}
_${program}() {
  local line also
  local -a words_and_help
  while IFS= read -r line; do
    case $line in
      :*) also=\${line#:} ;;
      *) words_and_help+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
    esac
  done < <(${program} ${COMPLETE} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#words_and_help} )) && _describe '${program}' words_and_help
  case $also in
    file) _files ;;
    directory) _files -/ ;;
    program) _command_names -e ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`,
  fish: (program) =>
    `function __${program}_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (${program} ${COMPLETE} -- $words[2..-1] 2>/dev/null)
    switch $line
      case ':file' ':directory'
        __fish_complete_path (commandline -ct)
      case ':program'
        __fish_complete_command
      case '*'
        echo $line
    end
  end
end
complete -c ${program} -f -a '(__${program}_complete)'
`,
};
