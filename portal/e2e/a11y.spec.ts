import AxeBuilder from '@axe-core/playwright'
import { expect } from './fixtures'
import { pages, test } from './pages'

// Every page, in each language and each colour scheme: no violation of WCAG 2.2 AA.
// Colours do not depend on the language, so two looks show all.
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
const looks = [
  { language: 'en', colorScheme: 'light' },
  { language: 'zh', colorScheme: 'dark' },
] as const

for (const shown of pages) {
  test(`axe finds nothing on ${shown.name}`, async ({ page, signIn, visit }) => {
    if (!shown.stranger) await signIn()
    for (const { language, colorScheme } of looks) {
      await visit(page, shown, language, colorScheme)
      const { violations } = await new AxeBuilder({ page }).setLegacyMode().withTags(rules).analyze()
      expect(violations.map((v) => ({ rule: v.id, at: v.nodes.map((n) => n.html + n.failureSummary) })), `${language}, ${colorScheme}`).toEqual([])
    }
  })
}
