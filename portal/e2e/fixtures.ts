import { test as base, expect, type Page } from '@playwright/test'
import { admin, Berth, type Caller } from './berth'

interface Worker {
  berth: Berth // one for all tests of a worker: each test makes things of names of its own
}

interface Each {
  clean: undefined
  signIn: (caller?: Caller) => Promise<void>
  unique: (name: string) => string
}

/**
 * Tests have a server (berth), sign in without the page that is for it (signIn),
 * and fail where a page says anything to the console: an exception, a breach of
 * the policy for content, a file that is not there.
 */
export const test = base.extend<Each, Worker>({
  berth: [
    async ({}, use) => {
      const berth = await Berth.start()
      await use(berth)
      await berth.stop()
    },
    { scope: 'worker' },
  ],
  baseURL: async ({ berth }, use) => use(berth.url),
  signIn: async ({ page }, use) => {
    await use(async (caller = admin) => {
      const answer = await page.request.post('/c/login', { form: { principal: caller.name, password: caller.password } })
      expect(answer.ok()).toBe(true)
    })
  },
  unique: async ({}, use, info) => {
    await use((name) => `${name}-${info.parallelIndex}-${info.testId.slice(-6)}-${info.retry}`.toLowerCase())
  },
  clean: [
    async ({ page }, use) => {
      const said: string[] = []
      page.on('pageerror', (error) => said.push(String(error)))
      page.on('console', (message) => {
        // That a request was refused is what some tests are about.
        if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) said.push(message.text())
      })
      await use(undefined)
      expect(said).toEqual([])
    },
    { auto: true },
  ],
})

/** The page's heading of the first order, once it is there. */
export function heading(page: Page, name: string | RegExp) {
  return page.getByRole('heading', { level: 1, name })
}

export { expect }
