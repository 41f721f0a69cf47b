import type { Command } from 'commander';

/** What a page says beside the command: its footer. */
export interface Footer {
  /** Of the program. */
  version: string;
  /** As YYYY-MM-DD. */
  date: string;
}

/** A part of what stands behind the options in a command's help: text, or lines that keep their form. */
interface Part {
  kept: boolean;
  lines: string[];
}

const EXAMPLES = 'Examples:';
const EXIT_STATUS = 'Exit status: ';

/** The name of the manual page of a command, as `man` is asked for it. */
export function pageName(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()}-${command.name()}`;
}

/** The manual page of a command, in section 1, for the macros man(7): from its help, so that it says the same. */
export function manPage(command: Command, { date, version }: Footer): string {
  const { description, examples, status } = sectionsOf(helpBehind(command));
  const program = command.parent ?? command;
  return [
    `.TH ${pageName(command).toUpperCase()} 1 ${date} ${quoted(`${program.name()} ${version}`)}`,
    ...section('NAME', [`${text(pageName(command))} \\- ${text(uncapitalized(command.description()))}`]),
    ...section('SYNOPSIS', synopsisOf(command)),
    ...section('DESCRIPTION', [text(`${command.description()}.`), ...description]),
    ...section('ARGUMENTS', argumentsOf(command)),
    ...section('OPTIONS', optionsOf(command)),
    ...section('COMMANDS', command.commands.flatMap(commandLines)),
    ...section('EXAMPLES', examples),
    ...section('EXIT STATUS', status),
    ...section('SEE ALSO', seeAlso(command, program)),
    '',
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.SH ${title}`, ...lines];
}

function synopsisOf(command: Command): string[] {
  const name = [command.parent?.name(), command.name()].filter((word) => word !== undefined).join(' ');
  return [`.B ${text(name)}`, `.RI ${quoted(text(command.usage()))}`];
}

function argumentsOf(command: Command): string[] {
  const help = command.createHelp();
  return help
    .visibleArguments(command)
    .flatMap((argument) => [
      '.TP',
      `.I ${text(help.argumentTerm(argument))}`,
      text(help.argumentDescription(argument)),
    ]);
}

function optionsOf(command: Command): string[] {
  const help = command.createHelp();
  return help.visibleOptions(command).flatMap((option) => {
    const [, flags, value = ''] = /^(.*?)( [<[].*)?$/.exec(option.flags)!;
    return [
      '.TP',
      `.BR ${quoted(text(flags!))} ${quoted(text(value))}`,
      text(help.optionDescription(option)),
    ];
  });
}

function commandLines(command: Command): string[] {
  return ['.TP', `.BR ${text(pageName(command))} (1)`, text(command.description())];
}

function seeAlso(command: Command, program: Command): string[] {
  const others = command === program ? program.commands : [program];
  return others.map((each, at) => `.BR ${text(pageName(each))} (1)${at < others.length - 1 ? ',' : ''}`);
}

/** The text that a command adds to its help. */
function helpBehind(command: Command): string {
  let whole = '';
  command.configureOutput({ writeOut: (part) => (whole += part) }).outputHelp();
  return whole.slice(command.helpInformation().length);
}

/** Sorts the text that stands behind the options into the sections of a page. */
function sectionsOf(help: string): { description: string[]; examples: string[]; status: string[] } {
  const [body = '', ending] = help.split(`\n${EXIT_STATUS}`);
  const parts = partsOf(body);
  const at = parts.findIndex(({ lines }) => lines.at(-1) === EXAMPLES);
  const examples = at === -1 ? [] : parts.splice(at, 2).slice(1);
  return {
    description: parts.flatMap((part) => ['.PP', written(part)].flat()),
    examples: examples.flatMap(written),
    status: ending === undefined ? [] : ending.trim().split('\n').map(text),
  };
}

function partsOf(body: string): Part[] {
  const parts: Part[] = [];
  let open = false;
  for (const line of body.split('\n')) {
    const kept = line.startsWith('  ');
    const last = parts.at(-1);
    if (line.trim() === '') open = false;
    else if (open && last?.kept === kept) last.lines.push(line);
    else {
      parts.push({ kept, lines: [line] });
      open = true;
    }
  }
  return parts;
}

function written({ kept, lines }: Part): string[] {
  if (!kept) return lines.map(text);
  return ['.nf', '.RS', ...lines.map((line) => text(line.slice(2))), '.RE', '.fi'];
}

function uncapitalized(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** As one argument of a macro. */
function quoted(argument: string): string {
  return `"${argument.replaceAll('"', '\\(dq')}"`;
}

/** A line of text that says the same in roff: hyphens that can be copied, and no request at its beginning. */
function text(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replaceAll("'", '\\(aq')
    .replace(/^\./, '\\&.');
}
