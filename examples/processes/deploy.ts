import { readlink, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { call, command, defineProcess, type StepContext } from 'cluster-worker'
import { z } from 'zod'

const deployment = z.object({
  /** The version to deploy, such as `1.4.2`. */
  version: z.string().regex(/^\w[\w.-]*$/),
  /** The folder of the application; its last version is at `<target>/current`. */
  target: z.string().startsWith('/'),
  /** Lets this step fail, to see the steps before it undone. */
  failAt: z.enum(['build', 'unpack', 'switch', 'check health']).optional(),
})

type Deployment = z.output<typeof deployment>

/** What the shell scripts below receive; input reaches a script by its environment only. */
const env = ({ input, step }: StepContext<Deployment>) => ({
  VERSION: input.version,
  TARGET: input.target,
  FAIL: input.failAt === step ? 'yes' : '',
})

const build = command<Deployment>('build', {
  env,
  // Runs in the run's own folder, which is gone when the run ends: only the package is kept.
  // (The sleep is there to make it slow enough to watch.)
  shell: `
    set -eu
    test ! -e "$TARGET/releases/$VERSION" || { echo "$VERSION is deployed already" >&2; exit 17; }
    mkdir app
    echo "$VERSION" > app/VERSION
    printf '#!/bin/sh\\necho "shop %s is well"\\n' "$VERSION" > app/health
    chmod +x app/health
    tar -czf "app-$VERSION.tar.gz" -C app .
    test -z "$FAIL" || { echo "the build server is out of disk space" >&2; exit 28; }
    mkdir -p "$TARGET/packages"
    sha256sum "app-$VERSION.tar.gz" | tee "$TARGET/packages/app-$VERSION.sha256"
    cp "app-$VERSION.tar.gz" "$TARGET/packages/"
    sleep 1`,
  timeout: '1m',
  undo: {
    env,
    shell: `
      rm -f "$TARGET/packages/app-$VERSION.tar.gz" "$TARGET/packages/app-$VERSION.sha256"
      rmdir "$TARGET/packages" "$TARGET" 2> /dev/null || true`,
  },
})

const unpack = command<Deployment>('unpack', {
  env,
  shell: `
    set -eu
    cd "$TARGET/packages"
    test -z "$FAIL" || echo damage >> "app-$VERSION.tar.gz"
    sha256sum --check "app-$VERSION.sha256"
    mkdir -p "$TARGET/releases/$VERSION"
    tar -xzf "app-$VERSION.tar.gz" -C "$TARGET/releases/$VERSION"
    sleep 1`,
  timeout: '1m',
  undo: {
    env,
    shell: `
      rm -rf "$TARGET/releases/$VERSION"
      rmdir "$TARGET/releases" 2> /dev/null || true`,
  },
})

/** A function, because its undo needs to know what was current before. */
const switchCurrent = call('switch', switchTo, { undo: switchBack })

const checkHealth = command<Deployment>('check health', {
  env,
  shell: `
    set -eu
    for attempt in 1 2 3; do
      "$TARGET/current/health"
      sleep 0.5
    done
    test -z "$FAIL" || { echo "the shop does not answer" >&2; exit 1; }`,
  timeout: '10s',
})

const notify = command<Deployment>('notify', {
  env: ({ input, requestId }) => ({ TARGET: input.target, NOTE: `failed-${requestId}.txt` }),
  // The server tells every on-failure step what went wrong.
  shell: `
    mkdir -p "$TARGET-notifications"
    echo "step $CLUSTER_FAILED_STEP: $CLUSTER_ERROR" > "$TARGET-notifications/$NOTE"`,
})

/** Deploys an application. When a step fails, everything is as it was before, and somebody is told. */
export const deploy = defineProcess({
  name: 'deploy',
  description: 'Builds a version, unpacks it, switches to it and checks that it is well.',
  input: deployment,
  steps: [build, unpack, switchCurrent, checkHealth],
  onFailure: [notify],
})

async function switchTo({ input, token }: StepContext<Deployment>) {
  const { target, version, failAt } = input
  const previous = await readlink(join(target, 'current')).catch(() => undefined)
  if (failAt === 'switch') throw new Error('somebody else is switching')
  await pointTo(join('releases', version), target, token)
  return { ...(previous !== undefined && { previous }) }
}

async function switchBack({ input, token, output }: StepContext<Deployment>): Promise<void> {
  const { previous } = output(switchCurrent)
  if (previous === undefined) await rm(join(input.target, 'current'), { force: true })
  else await pointTo(previous, input.target, token)
}

/** Renaming replaces the link in one moment: nobody ever finds it missing. */
async function pointTo(release: string, target: string, token: string): Promise<void> {
  const link = join(target, `current.${token}`)
  await symlink(release, link)
  await rename(link, join(target, 'current'))
}
