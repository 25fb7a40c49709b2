import { expect, heading, test } from './fixtures'

test('the language is switched, kept, and told to the browser', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/projects')
  await page.getByRole('button', { name: 'Language' }).click()
  await page.getByRole('menuitem', { name: '中文' }).click()
  await expect(heading(page, '项目')).toBeVisible()
  await page.reload()
  await expect(heading(page, '项目')).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans')
})

test('the appearance is switched and kept', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/projects')
  await page.getByRole('button', { name: 'Appearance' }).click()
  await page.getByRole('menuitem', { name: 'Dark' }).click()
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', 'dark')
})

test('projects and repositories are found from everywhere, by keyboard alone', async ({ page, signIn, berth, unique }) => {
  const project = unique('find')
  await berth.createProject(project)
  berth.push(`${project}/deep/image:1`)
  await signIn()
  await page.goto('/projects')
  const box = page.getByRole('searchbox', { name: 'Search projects and repositories' }).or(page.getByRole('combobox', { name: 'Search projects and repositories' }))
  await box.fill(`${project}/deep`)
  await expect(page.getByRole('option', { name: `${project}/deep/image` })).toBeVisible()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(heading(page, 'deep/image')).toBeVisible()
  await box.fill('no such thing')
  await expect(page.getByText('Nothing has “no such thing” in its name')).toBeVisible()
})

test('on a phone the navigation is behind a button, and nothing is wider than the screen', async ({ page, signIn }) => {
  await page.setViewportSize({ width: 390, height: 844 })
  await signIn()
  await page.goto('/projects/library')
  await expect(page.getByRole('link', { name: 'API' })).toBeHidden()
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('dialog').getByRole('link', { name: 'Projects', exact: true }).click()
  await expect(heading(page, 'Projects')).toBeVisible()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390)
})

test('the first key leads past the navigation, and a new page has the focus', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/projects')
  await expect(heading(page, 'Projects')).toBeVisible()
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: 'To the content' })).toBeFocused()
  await page.getByRole('link', { name: 'library' }).click()
  await expect(page.locator('main')).toBeFocused()
})

test('an address that leads nowhere says so', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/no/such/page')
  await expect(page.getByRole('heading', { name: 'There is nothing here' })).toBeVisible()
})

test('a banner of the administrators is text, whatever is in it', async ({ page, berth }) => {
  await berth.api('PUT', '/configurations', { banner_message: '<img src=x onerror=alert(1)>Dry dock on Sunday' })
  await page.goto('/projects')
  await expect(page.getByText('<img src=x onerror=alert(1)>Dry dock on Sunday')).toBeVisible()
  await berth.api('PUT', '/configurations', { banner_message: '' })
})

test('what is not there is said within the shell', async ({ page, signIn, berth, unique }) => {
  const project = unique('missing')
  await berth.createProject(project)
  berth.push(`${project}/app:1`)
  await signIn()
  await page.goto(`/projects/${project}/repositories/app/artifacts/2`)
  await expect(page.getByRole('alert')).toContainText('manifest not known')
  await page.getByRole('navigation').getByRole('link', { name: 'Projects' }).click()
  await expect(heading(page, 'Projects')).toBeVisible()
})
