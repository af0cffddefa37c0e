import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { readVerified, type PublishedObject } from './artifact/verified-read.ts'
import { verifyStore, type VerifyProgress, type VerifyReport } from './artifact/verify-store.ts'
import { checkVersionSpec, chooseVersion } from './artifact/version-spec.ts'
import { eachParallel } from './base/each-parallel.ts'
import type { ComponentRow } from './db/component/components.ts'
import { findVersionsWith, listFiles, listObjects, type StoredFile } from './db/component/files.ts'
import { listPublished } from './db/component/use.ts'
import type { Database } from './db/database.ts'
import { ClusterError } from './errors.ts'
import { fillFolder } from './fill-folder.ts'
import type { StoreAccess } from './store-access.ts'

export interface FetchOptions {
  /** Aborted to give up; nothing of what was brought so far stays. */
  signal?: AbortSignal
  /** Called after each file. */
  onProgress?: (done: {
    files: number
    bytes: number
    of: { files: number; bytes: number }
  }) => void
}

export interface FetchedVersion {
  version: string
  folder: string
  files: number
  bytes: number
}

export interface VerifyAllOptions {
  signal?: AbortSignal
  /** Called after each object that was read. */
  onProgress?: (done: VerifyProgress) => void
}

/** What `verify` found. */
export interface VerifiedStore {
  objects: number
  bytes: number
  /** What is missing or is not what was published, and some of the versions that need it. */
  problems: { problem: string; neededBy: string[] }[]
}

/** How many files are brought at once, and how many objects one statement lists. */
const filesAtOnce = 8
const slice = 1000

/** Brings a published version into a folder. */
export async function fetchVersion(
  db: Database,
  access: StoreAccess,
  wish: { component: ComponentRow; version: string; folder: string },
  { signal = never, ...options }: FetchOptions,
): Promise<FetchedVersion> {
  const { component } = wish
  const spec = checkVersionSpec(wish.version, 'version')
  const version = chooseVersion(spec, await listPublished(db, component.id, []))
  const files = version && (await listFiles(db, version.id))
  if (!files)
    throw new ClusterError(
      'CW_VERSION_UNKNOWN',
      `${component.name} has no published version '${spec}'; cluster-worker versions ${component.name} shows what there is`,
      { field: 'version' },
    )
  await access.recognise()
  const folder = resolve(wish.folder)
  await fillFolder(folder, part => bring(access, files, part, { signal, ...options })).catch(
    (error: unknown) => {
      throw signal.aborted ? signal.reason : error
    },
  )
  return { version: version.name, folder, ...sizeOf(files) }
}

const never = new AbortController().signal

async function bring(
  { store, storeDelayMs }: StoreAccess,
  files: readonly StoredFile[],
  folder: string,
  { signal, onProgress }: FetchOptions & { signal: AbortSignal },
): Promise<void> {
  const of = sizeOf(files)
  const done = { files: 0, bytes: 0 }
  for (const parent of new Set(files.map(({ path }) => dirname(join(folder, path)))))
    await mkdir(parent, { recursive: true })
  await eachParallel(files, filesAtOnce, async file => {
    signal.throwIfAborted()
    const { path, executable } = file
    await readVerified(store, file, join(folder, path), { signal, executable, storeDelayMs })
    done.files += 1
    done.bytes += file.size
    onProgress?.({ ...done, of })
  })
}

function sizeOf(files: readonly StoredFile[]): { files: number; bytes: number } {
  return { files: files.length, bytes: files.reduce((sum, { size }) => sum + size, 0) }
}

/** Compares the whole store with what was published. */
export async function verifyAll(
  db: Database,
  access: StoreAccess,
  { signal = never, onProgress }: VerifyAllOptions,
): Promise<VerifiedStore> {
  await access.recognise()
  const report = await verifyStore(access.store, published(db), {
    signal,
    storeDelayMs: access.storeDelayMs,
    ...(onProgress && { onProgress }),
  })
  const problems = []
  for (const { hash, problem } of problemsOf(report)) {
    const versions = await findVersionsWith(db, hash, 3)
    // Retention has been here meanwhile.
    if (versions.length === 0) continue
    const neededBy = versions.map(
      ({ component, version, path }) => `${component} ${version} ${path}`,
    )
    problems.push({ problem, neededBy })
  }
  return { objects: report.objects, bytes: report.bytes, problems }
}

function problemsOf({ missing, damaged }: VerifyReport): { hash: string; problem: string }[] {
  return [
    ...missing.map(({ hash }) => ({ hash, problem: `${hash} is not in the store` })),
    ...damaged.map(({ hash, problem }) => ({ hash, problem })),
  ]
}

/** All objects, in the order of the attempts that brought them. */
async function* published(db: Database): AsyncGenerator<PublishedObject> {
  let after = { token: '00000000-0000-0000-0000-000000000000', hash: '' }
  for (;;) {
    const objects = await listObjects(db, after, slice)
    yield* objects
    const last = objects.at(-1)
    if (!last || objects.length < slice) return
    after = last
  }
}
