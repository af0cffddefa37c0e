const long = 'x'.repeat(60)

/** Paths that no version may have, and why. */
export const hostilePaths: readonly (readonly [path: string, why: RegExp])[] = [
  ['../outside', /'\.\.'/],
  ['a/../../outside', /'\.\.'/],
  ['..', /'\.\.'/],
  ['/etc/outside', /absolute/],
  ['//server/share', /absolute/],
  ['C:/outside', /drive/],
  ['C:../outside', /drive/],
  ['C:outside', /drive/],
  ['..\\outside', /backslash/],
  ['\\\\server\\share', /backslash/],
  ['a\\..\\b', /backslash/],
  ['a\nb', /control/],
  ['a\u0000b', /control/],
  ['a\u001b[2Jb', /control/],
  ['a\u2028b', /control/],
  ['a//b', /empty name/],
  ['a/./b', /empty name or '\.'/],
  ['', /empty/],
  ['x'.repeat(256), /255 bytes/],
  ['é'.repeat(128), /255 bytes/],
  [Array.from({ length: 20 }, () => long).join('/'), /1024 bytes/],
  [Array.from({ length: 65 }, () => 'd').join('/'), /64 folders/],
  ['a\ufffdb', /UTF-8/],
  ['a\ud800b', /Unicode/],
]

/** Two paths that cannot both be in one version. */
export const hostilePairs: readonly (readonly [first: string, second: string, why: RegExp])[] = [
  ['README', 'readme', /the same as/],
  ['caf\u00e9', 'cafe\u0301', /the same as/],
  ['stra\u00dfe', 'STRASSE', /the same as/],
  ['\u212a', 'k', /the same as/],
  ['lib/a', 'LIB/b', /the same as/],
  ['a', 'a', /twice/],
  ['a', 'a/b', /file and a folder/],
  ['a/b', 'a', /file and a folder/],
]
