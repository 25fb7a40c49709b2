import { admin } from './berth'
import { expect, heading, test } from './fixtures'

test('the front door leads to the sign', async ({ page }) => {
  await page.goto('/')
  await expect(page).toHaveURL('/signin')
  await expect(heading(page, 'Berth')).toBeVisible()
})

test('one signs in, stays so, and signs out', async ({ page }) => {
  await page.goto('/signin')
  await page.getByLabel('User name').fill(admin.name)
  await page.getByLabel('Password', { exact: true }).fill(admin.password)
  await page.keyboard.press('Enter')
  await expect(heading(page, 'Projects')).toBeVisible()
  await page.reload()
  await expect(page.getByRole('button', { name: 'Account of admin' })).toBeVisible()

  await page.getByRole('button', { name: 'Account of admin' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect(page).toHaveURL('/signin')
  await page.goto('/projects')
  await expect(page.getByRole('link', { name: 'Sign in' })).toBeVisible()
})

test('a wrong password is said, and the name stays', async ({ page, berth, unique }) => {
  const { name } = await berth.createUser(unique('forgetful')) // whom the server now makes wait
  await page.goto('/signin')
  await page.getByLabel('User name').fill(name)
  await page.getByLabel('Password', { exact: true }).fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toHaveText('The name or the password is not right.')
  await expect(page.getByLabel('User name')).toHaveValue(name)
})

test('after signing in one is where one wanted to be, and never elsewhere', async ({ page, signIn, berth }) => {
  await signIn()
  await page.goto('/signin?to=/projects/library')
  await expect(heading(page, 'library')).toBeVisible()
  await page.goto('/signin?to=//example.org/')
  await expect(heading(page, 'Projects')).toBeVisible()
  expect(new URL(page.url()).host).toBe(berth.host)
})

test('single sign-on has a button where the server says so', async ({ page }) => {
  await page.route('**/api/v2.0/systeminfo', (route) =>
    route.fulfill({ json: { auth_mode: 'oidc_auth', primary_auth_mode: false, self_registration: false, banner_message: '', oidc_provider_name: 'Lighthouse' } }),
  )
  await page.goto('/signin')
  await expect(page.getByRole('link', { name: 'Sign in with Lighthouse' })).toHaveAttribute('href', '/c/oidc/login')
})

test('a session that is over is noticed', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/projects')
  await expect(page.getByRole('button', { name: 'Account of admin' })).toBeVisible()
  await page.context().clearCookies()
  await page.getByRole('link', { name: 'library' }).click()
  await expect(page.getByRole('link', { name: 'Sign in' })).toBeVisible()
})

test('people create accounts of their own where that is allowed', async ({ page, berth, unique }) => {
  await berth.api('PUT', '/configurations', { self_registration: true })
  await page.goto('/signin')
  await page.getByRole('button', { name: 'Create an account' }).click()
  const dialog = page.getByRole('dialog', { name: 'Create an account' })
  const name = unique('newcomer')
  await dialog.getByLabel('User name').fill(name)
  await dialog.getByLabel('E-mail address').fill(`${name}@example.com`)
  await dialog.getByLabel('Name in full').fill('New Comer')
  await dialog.getByLabel('New password', { exact: true }).fill('Portal-under-test-1')
  await dialog.getByRole('textbox', { name: 'The new password again' }).fill('Portal-under-test-1')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await expect(page.getByRole('button', { name: `Account of ${name}` })).toBeVisible()
  await berth.api('PUT', '/configurations', { self_registration: false })
})
