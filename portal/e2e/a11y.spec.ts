import AxeBuilder from '@axe-core/playwright'
import { expect, test } from './fixtures'
import { furnish, pages } from './pages'

// Every page, in each language, in light and dark: no violation of WCAG 2.2 AA.
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

test.describe.configure({ mode: 'default' })
let address: (path: string) => string
test.beforeAll(async ({ berth }) => {
  address = await furnish(berth)
})

for (const shown of pages) {
  test(`axe finds nothing on ${shown.name}`, async ({ page, signIn }) => {
    if (!shown.stranger) await signIn()
    for (const language of ['en', 'zh']) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await page.goto('/berth.svg')
        await page.evaluate((l) => localStorage.setItem('berth.language', l), language)
        await page.goto(address(shown.path))
        await page.getByRole('heading', { level: 1 }).first().waitFor()
        if (shown.wait) await page.getByText(shown.wait).first().waitFor()
        const { violations } = await new AxeBuilder({ page }).withTags(rules).analyze()
        expect(violations.map((v) => ({ rule: v.id, at: v.nodes.map((n) => n.html + n.failureSummary) })), `${language}, ${colorScheme}`).toEqual([])
      }
    }
  })
}
