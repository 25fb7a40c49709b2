import { pages, test } from './pages'

// "make screenshots": every page on a desktop and on a phone, in light and dark,
// and once in Chinese, into .cache/screenshots.
const looks = [
  { name: 'desktop-light', width: 1280, height: 800, colorScheme: 'light', language: 'en' },
  { name: 'desktop-dark', width: 1280, height: 800, colorScheme: 'dark', language: 'en' },
  { name: 'phone-light', width: 390, height: 844, colorScheme: 'light', language: 'en' },
  { name: 'phone-dark', width: 390, height: 844, colorScheme: 'dark', language: 'en' },
  { name: 'desktop-zh', width: 1280, height: 800, colorScheme: 'light', language: 'zh' },
] as const

for (const shown of pages) {
  test(shown.name, async ({ page, signIn, visit }) => {
    if (!shown.stranger) await signIn()
    for (const { name, width, height, colorScheme, language } of looks) {
      await page.setViewportSize({ width, height })
      await visit(page, shown, language, colorScheme)
      await page.screenshot({ path: `.cache/screenshots/${shown.name}-${name}.png`, fullPage: true })
    }
  })
}
