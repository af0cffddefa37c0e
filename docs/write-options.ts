import { readFile, writeFile } from 'node:fs/promises'
import { labelOf, optionNames, options, type OptionName } from '../lib/options.ts'

const markers = {
  begin: '<!-- options: written by docs/write-options.ts -->',
  end: '<!-- end of options -->',
}

/**
 * The page with the list of options between its markers brought up to date.
 * @throws {Error} when the page lacks a marker
 */
export function insertOptions(page: string): string {
  const begin = page.indexOf(markers.begin)
  const end = page.indexOf(markers.end)
  if (begin < 0 || end < begin)
    throw new Error(`expected the page to hold ${markers.begin} and, after it, ${markers.end}`)
  const list = optionNames().map(describeOption).join('\n')
  return `${page.slice(0, begin)}${markers.begin}\n\n${list}\n${page.slice(end)}`
}

function describeOption(name: OptionName): string {
  const { description, defaultText, usedBy } = options[name]
  const variable = labelOf(name, 'environment')
  return `### ${name}

${description}

| | |
| --- | --- |
| values | ${valuesOf(name)} |
| default | ${defaultText} |
| used by | ${usedBy.join(', ')} |
| flag, variable, file | \`${labelOf(name, 'flag')}\`, \`${variable}\`, \`${labelOf(name, 'file')}\` |
`
}

/** The words with which the option refuses what is no value of it. */
function valuesOf(name: OptionName): string {
  const refusal = options[name].read(undefined)
  return 'expected' in refusal ? refusal.expected.replaceAll('|', '\\|') : 'anything'
}

if (process.argv[1] === import.meta.filename) {
  const path = new URL('options.md', import.meta.url)
  await writeFile(path, insertOptions(await readFile(path, 'utf8')))
}
