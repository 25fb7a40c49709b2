import { Berth } from './berth'
import { test as base, expect } from './fixtures'

// A server on which one setting is fixed.
const test = base.extend<object, { berth: Berth }>({
  berth: [
    async ({}, use) => {
      const berth = await Berth.start({ BERTH_SETTINGS: '{"project_creation_restriction":"adminonly"}' })
      await use(berth)
      await berth.stop()
    },
    { scope: 'worker' },
  ],
})

test('a setting that is changed is read back, and only it was sent', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/settings/system')
  const group = page.getByRole('form', { name: 'Access and lifetimes' })
  const save = group.getByRole('button', { name: 'Save' })
  await expect(save).toBeDisabled()
  await group.getByRole('textbox', { name: 'Session timeout in minutes' }).fill('75')
  const sent = page.waitForRequest((r) => r.method() === 'PUT' && r.url().endsWith('/configurations'))
  await save.click()
  expect((await sent).postDataJSON()).toEqual({ session_timeout: 75 })
  await expect(page.getByText('The settings are saved.')).toBeVisible()
  await page.reload()
  await expect(group.getByRole('textbox', { name: 'Session timeout in minutes' })).toHaveValue('75')
})

test('what is fixed by the configuration is shown, and cannot be changed', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/settings/system')
  const field = page.getByRole('combobox', { name: 'Project creation' })
  await expect(field).toBeDisabled()
  await expect(field).toHaveValue('adminonly')
  await expect(page.getByText('Fixed by the configuration of the server.')).toBeVisible()
})

test('a value that the server refuses stays in its field, with why', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/settings/system')
  const field = page.getByRole('textbox', { name: 'Robot name prefix' })
  await field.fill('no sign')
  await page.getByRole('form', { name: 'Access and lifetimes' }).getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText(/with one of \$ # ~ % among them/)).toBeVisible()
  await expect(field).toHaveAttribute('aria-invalid', 'true')
  await expect(field).toHaveValue('no sign')
})

test('a banner is seen by everybody, and so is that all is read-only', async ({ berth, page, signIn }) => {
  await signIn()
  await page.goto('/settings/system')
  const group = page.getByRole('form', { name: 'Banner' })
  await group.getByRole('textbox', { name: 'Message' }).fill('The crane rests on Sunday')
  await group.getByRole('combobox', { name: 'Kind' }).selectOption('warning')
  await group.getByRole('button', { name: 'Save' }).click()
  await page.goto('/projects')
  await expect(page.getByText('The crane rests on Sunday')).toBeVisible()
  await page.goto('/settings/system')
  await page.getByRole('switch', { name: 'Read-only mode' }).check()
  await page.getByRole('form', { name: 'Access and lifetimes' }).getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The registry is read-only at present')).toBeVisible()
  await page.getByRole('switch', { name: 'Read-only mode' }).uncheck()
  await page.getByRole('form', { name: 'Access and lifetimes' }).getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The registry is read-only at present')).toBeHidden()
  await berth.api('PUT', '/configurations', { banner_message: '' })
})

test('a directory is tried before it is saved', async ({ berth, page, signIn }) => {
  await signIn()
  await page.goto('/settings')
  await page.getByRole('textbox', { name: 'URL' }).fill('ldap://127.0.0.1:1')
  await page.getByRole('button', { name: 'Test the connection' }).click()
  await expect(page.getByRole('alert')).not.toBeEmpty()
  expect(await berth.api('GET', '/configurations')).toMatchObject({ ldap_url: { value: '' } })
})

test('events that are taken away are not written', async ({ berth, page, signIn }) => {
  await signIn()
  await page.goto('/settings/audit-log')
  await page.getByRole('checkbox', { name: 'pull_artifact' }).uncheck()
  await page.getByRole('form', { name: 'Events that are written' }).getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The settings are saved.')).toBeVisible()
  expect(await berth.api('GET', '/configurations')).toMatchObject({ disabled_audit_log_event_types: { value: 'pull_artifact' } })
})
