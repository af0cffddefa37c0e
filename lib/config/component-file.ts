import { readFile } from 'node:fs/promises'
import { readComponent, type ComponentOptions } from '../artifact/component.ts'
import { checkSource } from '../artifact/source-types.ts'
import { ClusterError, messageOf } from '../errors.ts'
import { readYaml, type SourceDocument } from './yaml-source.ts'

/**
 * Reads components from a YAML or JSON file, one in each document.
 * @throws {ClusterError} CW_COMPONENT naming the file, and the line and column of what is wrong
 */
export async function readComponentFile(file: string): Promise<ComponentOptions[]> {
  const { documents, problems } = readYaml(await readText(file), file, {
    json: file.endsWith('.json'),
  })
  if (problems.length > 0) throw new ClusterError('CW_COMPONENT', problems.join('\n'))
  if (documents.length === 0)
    throw new ClusterError('CW_COMPONENT', `${file}: expected a component, got an empty file`)
  return documents.map(checked)
}

function checked(document: SourceDocument): ComponentOptions {
  const { value } = document
  try {
    checkSource(readComponent(value))
    return value as ComponentOptions
  } catch (error) {
    const field = error instanceof ClusterError ? error.field : undefined
    const path = (field ?? '').split('.').filter(name => name !== '')
    throw new ClusterError('CW_COMPONENT', `${document.locate(path)} ${messageOf(error)}`, {
      field,
    })
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new ClusterError('CW_COMPONENT', `${file} cannot be read: ${messageOf(error)}`)
  }
}
