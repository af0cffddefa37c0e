/** Shorter texts are in every log by chance. */
export const shortestSecret = 5

const mask = '***'

/** Replaces secrets in texts: as they are, line by line, and as they look in base64, URLs and JSON. */
export class Masker {
  readonly #forms = new Set<string>()
  #sorted: readonly string[] = []

  /** @returns the value */
  add(value: string): string {
    for (const form of formsOf(value)) if (form.length >= shortestSecret) this.#forms.add(form)
    // A form that is part of another one would leave the rest of it to be seen.
    this.#sorted = [...this.#forms].toSorted((a, b) => b.length - a.length)
    return value
  }

  mask(text: string): string {
    return this.#sorted.reduce((masked, form) => masked.replaceAll(form, mask), text)
  }
}

function formsOf(value: string): string[] {
  const lines = [value, value.trim(), ...value.split(/\r?\n/).map(line => line.trim())]
  return lines
    .filter(line => line.length >= shortestSecret)
    .flatMap(line => [
      line,
      JSON.stringify(line.toWellFormed()).slice(1, -1),
      ...urlFormsOf(line.toWellFormed()),
      ...base64FormsOf(line),
    ])
}

function urlFormsOf(value: string): string[] {
  const encoded = encodeURIComponent(value)
  const lower = encoded.replaceAll(/%[0-9A-F]{2}/g, code => code.toLowerCase())
  // As forms write it, and with those that encodeURIComponent leaves as they are.
  const form = new URLSearchParams({ value }).toString().slice('value='.length)
  const path = encodeURI(value)
  return [encoded, lower, form, path]
}

/**
 * What base64 makes of the value alone, and of the value after one, two or three other bytes, as in `user:password`: of
 * these, the part that the neighbours have no influence on.
 */
function base64FormsOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const inside = [0, 1, 2].map(before => {
    const length = before + bytes.length
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    return text.slice(Math.ceil((before * 8) / 6), Math.floor((length * 8) / 6))
  })
  const all = [bytes.toString('base64'), ...inside]
  return [...all, ...all.map(text => text.replaceAll('+', '-').replaceAll('/', '_'))]
}
