/** What every order to a server has. */
export const orderFlags: {
  readonly timeout: {
    readonly type: 'string'
    readonly requiresArg: true
    readonly describe: string
    readonly defaultDescription: string
  }
  readonly json: { readonly type: 'boolean'; readonly describe: string }
} = {
  timeout: {
    type: 'string',
    requiresArg: true,
    describe: 'How long to wait for the answer, such as 30s.',
    defaultDescription: '30s; for drain: until it is done',
  },
  json: { type: 'boolean', describe: 'Print a JSON object.' },
}
