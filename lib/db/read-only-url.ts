const readOnly = '-c default_transaction_read_only=on'

/**
 * The same database, with sessions in which PostgreSQL refuses every write.
 *
 * As a parameter of the URL, because what the URL says wins over what the driver is told otherwise.
 */
export function readOnlyUrl(url: string): string {
  const [address = '', query = ''] = url.split(/\?(.*)/s)
  const parameters = new URLSearchParams(query)
  const others = parameters.get('options') ?? process.env['PGOPTIONS'] ?? ''
  parameters.set('options', `${others} ${readOnly}`.trim())
  // PostgreSQL's own programs take a plus for a plus.
  return `${address}?${parameters.toString().replaceAll('+', '%20')}`
}
