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
  /** The words that lead to it, each behind a space: ` fleet rollout`; empty: the program itself. */
  path: string;
  about: string;
  options: readonly CompletedOption[];
  /** What its first argument may be, with what is said of it; empty: a file. */
  words: readonly { name: string; about: string }[];
}

/** A script for a shell, made of a program's commands and their options. */
export function completionScript(shell: Shell, program: Command): string {
  const commands = completedCommands(program, '', program);
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return zsh(commands);
    case 'fish':
      return fish(commands);
  }
}

/** A command and all below it. */
function completedCommands(command: Command, path: string, program: Command): CompletedCommand[] {
  const options = command.options.flatMap(({ argChoices, description, hidden, long, required, optional }) =>
    hidden || long === undefined || long === null
      ? []
      : [{ name: long, about: description, takesValue: required || optional, choices: argChoices ?? [] }],
  );
  const help = { name: '--help', about: 'display help for command', takesValue: false, choices: [] };
  const below = command.commands.flatMap((each) =>
    completedCommands(each, `${path} ${each.name()}`, program),
  );
  const about = command.description();
  return [{ path, about, options: [...options, help], words: wordsOf(command, program) }, ...below];
}

function wordsOf(command: Command, program: Command): CompletedCommand['words'] {
  const [argument] = command.registeredArguments;
  // `help` and `man` take a command.
  const group = argument?.name() === 'command' ? program : command;
  if (group.commands.length > 0)
    return group.commands.map((each) => ({ name: each.name(), about: each.description() }));
  return (argument?.argChoices ?? []).map((name) => ({ name, about: '' }));
}

/** A pattern of `case` for the paths of all commands but the program itself. */
function pathPattern(commands: readonly CompletedCommand[]): string {
  return commands
    .filter(({ path }) => path !== '')
    .map(({ path }) => quoted(path))
    .join('|');
}

function namesIn(words: CompletedCommand['words']): string {
  return quoted(words.map(({ name }) => name).join(' '));
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.flatMap(({ options, path, words }) => {
    const valued = options.filter(({ takesValue }) => takesValue);
    const chosen = valued.filter((option) => option.choices.length > 0);
    const free = valued.filter((option) => option.choices.length === 0);
    return [
      `    ${quoted(path)})`,
      '      case "$previous" in',
      ...chosen.map((option) => `        ${option.name}) words=${quoted(option.choices.join(' '))} ;;`),
      ...(free.length > 0 ? [`        ${free.map((option) => option.name).join('|')}) words= ;;`] : []),
      `        *) words=${namesIn(words)} options=${quoted(options.map((each) => each.name).join(' '))} ;;`,
      '      esac',
      '      ;;',
    ];
  });
  return lines(
    '# bash completion for bouheki',
    '_bouheki() {',
    '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words= options= word seen=',
    '  COMPREPLY=()',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    # What follows is another program: its own completion would have to be asked.',
    '    [ "$word" = -- ] && return',
    '    case "$seen $word" in',
    `      ${pathPattern(commands)}) seen="$seen $word" ;;`,
    '    esac',
    '  done',
    '  case $seen in',
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
  const cases = commands.flatMap(({ options, path, words }) => [
    `    ${quoted(path)})`,
    ...zshWords(words),
    '      _arguments \\',
    ...options.map(
      (option) =>
        `        ${quoted(`${option.name}${option.takesValue ? '=' : ''}[${zshText(option.about)}]${zshValue(option)}`)} \\`,
    ),
    `        ${quoted(words.length > 0 ? `*:argument:(${words.map(({ name }) => name).join(' ')})` : '*:file:_files')}`,
    '      ;;',
  ]);
  return lines(
    '#compdef bouheki',
    '_bouheki() {',
    '  local seen= word',
    '  local -i at last=1',
    '  local -a commands',
    '  for (( at = 2; at < CURRENT; at++ )); do',
    '    word=$words[at]',
    '    [[ $word == -- ]] && break',
    '    case "$seen $word" in',
    `      ${pathPattern(commands)}) seen="$seen $word" last=$at ;;`,
    '    esac',
    '  done',
    '  # _arguments takes the first word for the command.',
    '  shift $(( last - 1 )) words',
    '  (( CURRENT -= last - 1 ))',
    '  case $seen in',
    ...cases,
    '  esac',
    '}',
    '_bouheki "$@"',
  );
}

/** The next command with what it does, unless an option is begun. */
function zshWords(words: CompletedCommand['words']): string[] {
  if (words.every(({ about }) => about === '')) return [];
  return [
    '      if (( CURRENT == 2 )) && [[ $words[CURRENT] != -* ]]; then',
    '        commands=(',
    ...words.map(({ about, name }) => `          ${described(name, about)}`),
    '        )',
    '        _describe command commands',
    '        return',
    '      fi',
  ];
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
  const each = commands.flatMap(({ options, path, words }) => {
    const here = `complete -c bouheki -n "__bouheki_at '${path}'"`;
    return [
      ...words.map(({ about, name }) => `${here} -f -a ${name}${about === '' ? '' : ` -d ${quoted(about)}`}`),
      ...options.map((option) => {
        const value = option.takesValue ? ' -r' : '';
        const from = option.choices.length > 0 ? ` -f -a ${quoted(option.choices.join(' '))}` : '';
        return `${here} -l ${option.name.slice(2)}${value}${from} -d ${quoted(option.about)}`;
      }),
    ];
  });
  return lines(
    '# fish completion for bouheki',
    'function __bouheki_at',
    "  set -l seen ''",
    '  for word in (commandline -opc)[2..]',
    `    if contains -- "$seen $word" ${pathPattern(commands).replaceAll('|', ' ')}`,
    '      set seen "$seen $word"',
    '    end',
    '  end',
    '  test "$seen" = "$argv[1]"',
    'end',
    ...each,
  );
}

/** In single quotes. Quotes and backslashes in it, which each shell escapes in its own way, are left out. */
function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '')}'`;
}

function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
