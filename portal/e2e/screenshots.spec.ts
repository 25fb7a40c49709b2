import { test } from './fixtures'
import { furnish, pages } from './pages'

// "make screenshots": every page on a desktop and on a phone, in light and dark,
// and once in Chinese, into .cache/screenshots.
test.describe.configure({ mode: 'default' })
let address: (path: string) => string
test.beforeAll(async ({ berth }) => {
  address = await furnish(berth)
})

const looks = [
  { name: 'desktop-light', width: 1280, height: 800, colorScheme: 'light', language: 'en' },
  { name: 'desktop-dark', width: 1280, height: 800, colorScheme: 'dark', language: 'en' },
  { name: 'phone-light', width: 390, height: 844, colorScheme: 'light', language: 'en' },
  { name: 'phone-dark', width: 390, height: 844, colorScheme: 'dark', language: 'en' },
  { name: 'desktop-zh', width: 1280, height: 800, colorScheme: 'light', language: 'zh' },
] as const

for (const shown of pages) {
  test(shown.name, async ({ page, signIn }) => {
    if (!shown.stranger) await signIn()
    for (const { name, width, height, colorScheme, language } of looks) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.goto('/berth.svg')
      await page.evaluate((l) => localStorage.setItem('berth.language', l), language)
      await page.goto(address(shown.path))
      await page.getByRole('heading', { level: 1 }).first().waitFor()
      if (shown.wait) await page.getByText(shown.wait).first().waitFor()
      await page.screenshot({ path: `.cache/screenshots/${shown.name}-${name}.png`, fullPage: true })
    }
  })
}
