import type { Entry, LocalFileHeader, ZipFile } from 'yauzl'
import { shown } from '../check-path.ts'
import { refuse } from '../refuse.ts'
import type { UnpackLimits } from './unpack-limits.ts'

/** An entry of the list at the end of a zip archive, and where its content ends. */
export interface PlacedEntry {
  readonly entry: Entry
  readonly end: number
}

const endRecordBytes = 22
const zip64RecordsBytes = 76
/** What may come after a content that was written before its size was known. */
const longestDescriptorBytes = 24
const hasDescriptor = 0x8

/**
 * Reads the list of a zip archive, in the order of the contents. Every byte of the archive must belong to exactly one entry
 * or to the list: where contents overlap a small archive unpacks to a huge one, and what the list does not name other
 * programs might unpack.
 * @throws {ClusterError} CW_ARTIFACT_REFUSED, or an error of yauzl
 */
export async function readPlaces(
  zip: ZipFile,
  limits: UnpackLimits,
  signal: AbortSignal,
): Promise<PlacedEntry[]> {
  if (zip.entryCount > limits.files)
    throw refuse('the archive', `it has more than ${limits.files} entries`)
  const listStart = Number(zip.readEntryCursor)
  const places: PlacedEntry[] = []
  for await (const entry of zip.eachEntry()) {
    signal.throwIfAborted()
    places.push(await placeOf(zip, entry))
  }
  checkList(zip)
  places.sort((a, b) => startOf(a) - startOf(b))
  checkContents(places, listStart)
  return places
}

async function placeOf(zip: ZipFile, entry: Entry): Promise<PlacedEntry> {
  const local: LocalFileHeader = await zip.readLocalFileHeaderPromise(entry)
  const name = `the entry ${shown(entry.fileName)} of the archive`
  if (!local.fileName.equals(entry.fileNameRaw))
    throw refuse(name, 'it has another name in the list than at its content')
  if (local.compressionMethod !== entry.compressionMethod)
    throw refuse(name, 'it is packed differently than the list says')
  return { entry, end: local.fileDataStart + entry.compressedSize }
}

/** The list must reach to the end of the archive. */
function checkList(zip: ZipFile): void {
  const end = zip.fileSize - endRecordBytes - zip.comment.length
  const gap = end - Number(zip.readEntryCursor)
  if (gap !== 0 && gap !== zip64RecordsBytes)
    throw refuse('the archive', 'its list does not end where it should: there may be a second one')
  if (zip.comment.includes('PK'))
    throw refuse('the archive', 'there may be a second list in its comment')
}

function checkContents(places: readonly PlacedEntry[], listStart: number): void {
  let end = 0
  let mayFollow = 0
  for (const place of places) {
    checkGap(startOf(place) - end, mayFollow)
    end = place.end
    mayFollow = place.entry.generalPurposeBitFlag & hasDescriptor ? longestDescriptorBytes : 0
  }
  checkGap(listStart - end, mayFollow)
}

function checkGap(gap: number, allowed: number): void {
  if (gap < 0) throw refuse('the archive', 'two entries of it overlap')
  if (gap > allowed) throw refuse('the archive', 'it has bytes that belong to no entry')
}

function startOf({ entry }: PlacedEntry): number {
  return entry.relativeOffsetOfLocalHeader
}
