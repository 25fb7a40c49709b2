import AxeBuilder from '@axe-core/playwright'
import { expect, test } from './fixtures'
import { furnish, pages, type Visit } from './pages'

// Every page, in each language, in light and dark: no violation of WCAG 2.2 AA.
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

test.describe.configure({ mode: 'default' })
let visit: Visit
test.beforeAll(async ({ berth }) => {
  visit = await furnish(berth)
})

for (const shown of pages) {
  test(`axe finds nothing on ${shown.name}`, async ({ page, signIn }) => {
    if (!shown.stranger) await signIn()
    for (const language of ['en', 'zh']) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await visit(page, shown, language, colorScheme)
        const { violations } = await new AxeBuilder({ page }).withTags(rules).analyze()
        expect(violations.map((v) => ({ rule: v.id, at: v.nodes.map((n) => n.html + n.failureSummary) })), `${language}, ${colorScheme}`).toEqual([])
      }
    }
  })
}
