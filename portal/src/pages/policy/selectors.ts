import type { Schemas } from '~/api/client'

/** Which tags of which repositories a rule is about, as a form has it. */
export interface Chosen {
  repositories: { except: boolean; pattern: string }
  tags: { except: boolean; pattern: string }
  untagged: boolean // whether artifacts without a tag are meant as well
}

type Selectors = Pick<Schemas['RuleBody'], 'tag_selectors' | 'scope_selectors'>

/** Everything. */
export const everything: Chosen = { repositories: { except: false, pattern: '**' }, tags: { except: false, pattern: '**' }, untagged: true }

/** What the selectors of the API come to. */
export function chosenOf({ tag_selectors, scope_selectors }: Selectors): Chosen {
  const tags = tag_selectors[0]
  const repositories = scope_selectors['repository']?.[0]
  const except = tags?.decoration === 'excludes'
  return {
    repositories: { except: repositories?.decoration === 'repoExcludes', pattern: repositories?.pattern || '**' },
    tags: { except, pattern: tags?.pattern || '**' },
    untagged: untaggedOf(tags?.extras, except),
  }
}

/** Artifacts without a tag are meant, unless the extras of what matches say no, or those of what is excluded say yes. */
function untaggedOf(extras: string | undefined, except: boolean): boolean {
  try {
    const said: unknown = JSON.parse(extras || '{}')
    if (typeof said === 'object' && said !== null && 'untagged' in said && typeof said.untagged === 'boolean') return said.untagged !== except
  } catch {
    // What the server does not refuse it can read.
  }
  return true
}

/** The selectors for what is chosen. Rules about tags alone say nothing of what has none. */
export function selectorsOf(chosen: Chosen, withUntagged: boolean): Selectors {
  const { repositories, tags, untagged } = chosen
  const pattern = (text: string) => text.trim() || '**'
  return {
    tag_selectors: [
      { kind: 'doublestar', decoration: tags.except ? 'excludes' : 'matches', pattern: pattern(tags.pattern), extras: withUntagged ? JSON.stringify({ untagged: untagged !== tags.except }) : '' },
    ],
    scope_selectors: { repository: [{ kind: 'doublestar', decoration: repositories.except ? 'repoExcludes' : 'repoMatches', pattern: pattern(repositories.pattern), extras: '' }] },
  }
}
