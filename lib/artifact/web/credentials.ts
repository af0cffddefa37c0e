import { z } from 'zod'
import { secretForm, type SecretForm } from '../source/read-options.ts'
import type { SourceContext } from '../source.ts'

export interface CredentialForms {
  readonly token: z.ZodOptional<SecretForm>
  readonly login: z.ZodOptional<
    z.ZodObject<{ user: z.ZodString; password: SecretForm }, z.core.$strict>
  >
  readonly headers: z.ZodOptional<
    z.ZodRecord<z.ZodString, z.ZodUnion<readonly [z.ZodString, SecretForm]>>
  >
}

/** How a source shows who it is; for each type that speaks HTTP. */
export const credentialForms: CredentialForms = {
  token: secretForm.optional(),
  login: z
    .strictObject({
      user: z.string().regex(/^[^:\p{Cc}]+$/u, 'expected a user name'),
      password: secretForm,
    })
    .optional(),
  headers: z
    .record(
      z.string().regex(/^[A-Za-z0-9-]+$/, 'expected the name of a header'),
      z.union([z.string().regex(/^[\x20-\x7e]*$/, 'expected printable text'), secretForm]),
    )
    .optional(),
}

export interface CredentialOptions {
  readonly token?: { readonly secret: string } | undefined
  readonly login?:
    | { readonly user: string; readonly password: { readonly secret: string } }
    | undefined
  readonly headers?: Readonly<Record<string, string | { readonly secret: string }>> | undefined
}

/** The headers that show who we are. */
export async function readCredentials(
  { token, login, headers = {} }: CredentialOptions,
  secret: SourceContext['secret'],
): Promise<Record<string, string>> {
  const given: Record<string, string> = {}
  if (token) given['authorization'] = `Bearer ${await secret(token.secret)}`
  if (login) given['authorization'] = basic(login.user, await secret(login.password.secret))
  for (const [name, value] of Object.entries(headers))
    given[name.toLowerCase()] = typeof value === 'string' ? value : await secret(value.secret)
  return given
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
