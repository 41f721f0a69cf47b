import type { Command } from 'commander';

/** Shells that a script can be written for. */
export type Shell = 'bash' | 'zsh' | 'fish';

/** An option as a shell completes it. */
interface CompletedOption {
  name: string;
  about: string;
  /** Whether a value follows. */
  takesValue: boolean;
  /** What that may be; empty: any, such as a file. */
  choices: readonly string[];
}

/** A command as a shell completes it. */
interface CompletedCommand {
  name: string;
  about: string;
  options: readonly CompletedOption[];
  /** What its first argument may be; empty: a file. */
  choices: readonly string[];
}

/** A script for a shell, made of a program's commands and their options. */
export function completionScript(shell: Shell, program: Command): string {
  const commands = program.commands.map(completedCommand);
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return zsh(commands);
    case 'fish':
      return fish(commands);
  }
}

function completedCommand(command: Command): CompletedCommand {
  const options = command.options.flatMap(({ argChoices, description, long, required, optional }) =>
    long === undefined || long === null
      ? []
      : [{ name: long, about: description, takesValue: required || optional, choices: argChoices ?? [] }],
  );
  const help = { name: '--help', about: 'display help for command', takesValue: false, choices: [] };
  return {
    name: command.name(),
    about: command.description(),
    options: [...options, help],
    choices: command.registeredArguments[0]?.argChoices ?? [],
  };
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.flatMap(({ choices, name, options }) => {
    const valued = options.filter(({ takesValue }) => takesValue);
    const chosen = valued.filter((option) => option.choices.length > 0);
    const free = valued.filter((option) => option.choices.length === 0);
    return [
      `    ${name})`,
      '      case "$previous" in',
      ...chosen.map((option) => `        ${option.name}) words=${quoted(option.choices.join(' '))} ;;`),
      ...(free.length > 0 ? [`        ${free.map((option) => option.name).join('|')}) words= ;;`] : []),
      `        *) words=${quoted(choices.join(' '))} options=${quoted(options.map((each) => each.name).join(' '))} ;;`,
      '      esac',
      '      ;;',
    ];
  });
  return lines(
    '# bash completion for bouheki',
    '_bouheki() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= options= word',
    '  COMPREPLY=()',
    '  if [ "$COMP_CWORD" -eq 1 ]; then',
    `    COMPREPLY=($(compgen -W ${quoted(commands.map(({ name }) => name).join(' '))} -- "$current"))`,
    '    return',
    '  fi',
    '  for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do',
    '    # What follows is another program: its own completion would have to be asked.',
    '    [ "$word" = -- ] && return',
    '  done',
    '  case ${COMP_WORDS[1]} in',
    ...cases,
    '  esac',
    '  [[ $current == -* ]] && words=$options',
    '  # Without words of its own it is a file, which readline completes.',
    '  [ -z "$words" ] || COMPREPLY=($(compgen -W "$words" -- "$current"))',
    '}',
    'complete -o default -F _bouheki bouheki',
  );
}

function zsh(commands: readonly CompletedCommand[]): string {
  const cases = commands.flatMap(({ choices, name, options }) => [
    `    ${name})`,
    '      _arguments \\',
    ...options.map(
      (option) =>
        `        ${quoted(`${option.name}${option.takesValue ? '=' : ''}[${zshText(option.about)}]${zshValue(option)}`)} \\`,
    ),
    `        ${quoted(choices.length > 0 ? `*:argument:(${choices.join(' ')})` : '*:file:_files')}`,
    '      ;;',
  ]);
  return lines(
    '#compdef bouheki',
    '_bouheki() {',
    '  if (( CURRENT == 2 )); then',
    '    local -a commands',
    '    commands=(',
    ...commands.map(({ about, name }) => `      ${described(name, about)}`),
    '    )',
    '    _describe command commands',
    '    return',
    '  fi',
    '  local command=$words[2]',
    '  shift words',
    '  (( CURRENT-- ))',
    '  case $command in',
    ...cases,
    '  esac',
    '}',
    '_bouheki "$@"',
  );
}

/** `name:about`, as _describe takes it. */
function described(name: string, about: string): string {
  return quoted(`${name}:${about.replace(/:/g, '\\:')}`);
}

/** In brackets, and before a colon. */
function zshText(text: string): string {
  return text.replace(/[\\[\]:]/g, '\\$&');
}

function zshValue({ choices, takesValue }: CompletedOption): string {
  if (!takesValue) return '';
  return choices.length > 0 ? `:value:(${choices.join(' ')})` : ':value:_files';
}

function fish(commands: readonly CompletedCommand[]): string {
  const each = commands.flatMap(({ about, choices, name, options }) => [
    `complete -c bouheki -n __fish_use_subcommand -f -a ${name} -d ${quoted(about)}`,
    ...(choices.length > 0
      ? [`complete -c bouheki -n '__fish_seen_subcommand_from ${name}' -f -a ${quoted(choices.join(' '))}`]
      : []),
    ...options.map((option) => {
      const value = option.takesValue ? ' -r' : '';
      const from = option.choices.length > 0 ? ` -f -a ${quoted(option.choices.join(' '))}` : '';
      return `complete -c bouheki -n '__fish_seen_subcommand_from ${name}' -l ${option.name.slice(2)}${value}${from} -d ${quoted(option.about)}`;
    }),
  ]);
  return lines('# fish completion for bouheki', ...each);
}

/** In single quotes. Quotes and backslashes in it, which each shell escapes in its own way, are left out. */
function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '')}'`;
}

function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
