// Writes src/api/schema.d.ts from the API's OpenAPI document:
// node tools/types.mjs DOCUMENT
//
// The document says of requests what may be missing (nearly everything), and in
// x-berth-sent which fields every answer has. TypeScript is told both: a schema
// that is in answers has its sent fields for certain, and where requests use it
// too, they use a copy of it, by the name of it and "Input", in which all may be
// missing. What is not in the document is not in the types, so that a page that
// reads a field which the API does not have does not compile.
import { readFileSync, writeFileSync } from 'node:fs'
import openapiTS, { astToString } from 'openapi-typescript'

const document = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const schemas = document.components.schemas
const prefix = '#/components/schemas/'
const operations = Object.values(document.paths).flatMap((path) => Object.values(path))

/** The names of the schemas that a part of the document leads to. */
function reached(part, names = new Set()) {
  if (part === null || typeof part !== 'object') return names
  if (typeof part.$ref === 'string') {
    const name = part.$ref.slice(prefix.length)
    if (!names.has(name)) reached(schemas[name], names.add(name))
  }
  for (const inner of Object.values(part)) reached(inner, names)
  return names
}

/** A copy of a part of the document in which each schema's reference is renamed. */
function renamed(part, rename) {
  if (part === null || typeof part !== 'object') return part
  if (Array.isArray(part)) return part.map((inner) => renamed(inner, rename))
  return Object.fromEntries(
    Object.entries(part).map(([key, inner]) =>
      key === '$ref' ? [key, prefix + rename(inner.slice(prefix.length))] : [key, renamed(inner, rename)],
    ),
  )
}

/** Takes "and whatever else" from what has fields. */
function close(part) {
  if (part === null || typeof part !== 'object') return
  if (part.properties && part.additionalProperties === true) delete part.additionalProperties
  Object.values(part).forEach(close)
}

close(document)
const answered = reached(operations.map((o) => o.responses))
const asked = reached(operations.map((o) => o.requestBody ?? null))
const input = (name) => (answered.has(name) ? `${name}Input` : name)

for (const name of asked) {
  // What is in requests alone keeps its name, and leads to the copies all the same.
  schemas[input(name)] = renamed(schemas[name], input)
}
for (const o of operations) {
  if (o.requestBody) o.requestBody = renamed(o.requestBody, input)
}
for (const name of answered) {
  if (schemas[name]['x-berth-sent']) schemas[name].required = schemas[name]['x-berth-sent']
}

writeFileSync('src/api/schema.d.ts', astToString(await openapiTS(document)))
