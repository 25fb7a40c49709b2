import { type Icon, IconFileText, IconHistory, IconInfoCircle, IconListDetails, IconShieldSearch, IconSignature, IconTags } from '@tabler/icons-react'
import type { Artifact } from '~/pages/repositories/queries'

/** A tab of an artifact. Its label is the key tabs.NAME of artifact.json. */
export interface Tab {
  name: 'overview' | 'tags' | 'vulnerabilities' | 'sbom' | 'history' | 'accessories' | 'content'
  to: `/projects/$project/repositories/$repository/artifacts/$reference${string}`
  icon: Icon
  shown?: (artifact: Artifact) => boolean // undefined: always
}

const base = '/projects/$project/repositories/$repository/artifacts/$reference'
const has = (...additions: string[]) => (artifact: Artifact) => additions.some((a) => a in artifact.addition_links)

/** The tabs, in their order: a line for each. */
export const tabs = [
  { name: 'overview', to: base, icon: IconInfoCircle },
  { name: 'content', to: `${base}/content`, icon: IconFileText, shown: has('readme.md', 'values.yaml', 'license', 'files') },
  { name: 'tags', to: `${base}/tags`, icon: IconTags },
  { name: 'vulnerabilities', to: `${base}/vulnerabilities`, icon: IconShieldSearch, shown: has('vulnerabilities') },
  { name: 'sbom', to: `${base}/sbom`, icon: IconListDetails, shown: has('sboms', 'sbom') },
  { name: 'history', to: `${base}/history`, icon: IconHistory, shown: has('build_history') },
  { name: 'accessories', to: `${base}/accessories`, icon: IconSignature },
] as const satisfies Tab[]
