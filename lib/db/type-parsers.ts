import type pg from 'pg'

type Parse = (text: string) => unknown

/**
 * How the values of our statements are read. The driver's own parsers are global, and applications change them: many
 * read bigint as a number, which would make two kinds of ids.
 */
const parsers: Readonly<Record<number, Parse>> = {
  16: text => text === 't',
  21: Number,
  23: Number,
  114: text => JSON.parse(text) as unknown,
  700: Number,
  701: Number,
  1184: parseMoment,
  3802: text => JSON.parse(text) as unknown,
}

export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => parsers[oid] ?? asText,
}

function asText(text: string): string {
  return text
}

/** `2026-11-22 18:10:00.285+00`, where the offset may have minutes. */
function parseMoment(text: string): Date {
  return new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00'))
}
