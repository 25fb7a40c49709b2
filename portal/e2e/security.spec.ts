import { readFileSync } from 'node:fs'
import { Berth } from './berth'
import { alpine, pushImage } from './content'
import { test as base, expect } from './fixtures'

// A server whose advisories nobody has asked for yet.
const test = base.extend<object, { berth: Berth }>({
  berth: [
    async ({}, use) => {
      const berth = await Berth.start()
      await use(berth)
      await berth.stop()
    },
    { scope: 'worker' },
  ],
})

test('advisories are brought up to date, all is scanned, and what was found is exported', async ({ berth, page, signIn, unique }) => {
  const project = unique('findings')
  await berth.createProject(project)
  pushImage(berth, `${project}/app:v1`, { layers: [alpine({ openssl: '3.1.4-r0', zlib: '1.3-r2', musl: '1.2.4-r0' })] })
  await signIn()

  await page.goto('/interrogation/advisories')
  await expect(page.getByText('There are no advisories yet')).toBeVisible()
  await page.getByRole('button', { name: 'Update now' }).click()
  const source = page.getByRole('table', { name: 'Sources' }).locator('tr').filter({ hasText: 'Alpine' })
  await expect(source).toContainText('Good')
  const update = page.getByRole('table', { name: 'Updates' }).locator('tbody tr').first()
  await expect(update).toContainText('5 records')
  await update.getByRole('button', { name: /^Log of/ }).click()
  await expect(page.getByRole('log')).toContainText('Alpine: up to date')
  await page.keyboard.press('Escape')

  await page.getByRole('link', { name: 'Vulnerability scan' }).click()
  await page.getByRole('button', { name: 'Scan now' }).click()
  await expect(page.getByText('One artifact was looked at.')).toBeVisible()
  await page.getByRole('link', { name: 'To the findings' }).click()

  const findings = page.getByRole('table', { name: 'Findings' })
  await expect(findings.locator('tr').filter({ hasText: 'CVE-2026-0001' })).toContainText('openssl')
  await expect(page.getByRole('table', { name: 'Most dangerous artifacts' })).toContainText(`${project}/app`)
  await page.getByRole('textbox', { name: 'Package' }).fill('zlib')
  await expect(findings.locator('tbody tr')).toHaveCount(1)
  await expect(findings).toContainText('CVE-2026-0002')
  await page.getByRole('button', { name: 'Clear filters' }).first().click()
  await page.getByRole('link', { name: /^Critical/ }).click()
  await expect(findings.locator('tbody tr')).toHaveCount(1)
  await page.getByRole('textbox', { name: 'Project' }).fill('no-such-project')
  await expect(page.getByText('Nothing here meets the filter. They are exact')).toBeVisible()

  await page.getByRole('link', { name: 'CVE exports' }).click()
  await page.getByRole('button', { name: 'New export' }).first().click()
  await page.getByRole('combobox', { name: 'Project' }).fill(project)
  await page.getByRole('option', { name: project }).click()
  await page.getByRole('button', { name: 'Start export' }).click()
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download' }).click()
  const table = readFileSync(await (await download).path(), 'utf8')
  expect(table).toContain('CVE-2026-0001')
  expect(table).toContain('openssl')
  await expect(page.getByText('No exports')).toBeVisible()
})

test('what is allowed is kept, until a day', async ({ berth, page, signIn }) => {
  await signIn()
  await page.goto('/interrogation/allowlist')
  await page.getByRole('textbox', { name: 'CVEs' }).fill('CVE-2026-7, CVE-2026-8\nCVE-2026-7')
  await expect(page.getByText('2 vulnerabilities')).toBeVisible()
  await page.getByRole('radio', { name: 'Until a day' }).check()
  await page.getByLabel('Last day').fill('2099-12-31')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('The allowlist is saved.')).toBeVisible()
  await page.reload()
  await expect(page.getByRole('textbox', { name: 'CVEs' })).toHaveValue('CVE-2026-7\nCVE-2026-8')
  await expect(page.getByLabel('Last day')).toHaveValue('2099-12-31')
  expect(await berth.api('GET', '/system/CVEAllowlist')).toMatchObject({ items: [{ cve_id: 'CVE-2026-7' }, { cve_id: 'CVE-2026-8' }] })
})

test('a scanner that does not answer is not taken, in the words of the server', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/interrogation')
  await expect(page.locator('tbody tr').filter({ hasText: 'built in' })).toContainText('Healthy')
  await page.getByRole('button', { name: 'New scanner' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox', { name: 'Name' }).fill('nobody')
  await dialog.getByRole('textbox', { name: 'Address' }).fill('http://127.0.0.1:1')
  await dialog.getByRole('button', { name: 'Test the connection' }).click()
  await expect(dialog.getByRole('alert')).not.toBeEmpty()
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(dialog.getByRole('textbox', { name: 'Name' })).toHaveValue('nobody')
  await expect(dialog.getByRole('alert')).not.toHaveCount(0)
})

test('a developer has the findings of a project written into a table', async ({ berth, page, signIn, unique }) => {
  const project = unique('exported')
  await berth.createProject(project)
  const user = await berth.createUser(unique('nora'))
  await berth.addMember(project, user.name, 2)
  const label = unique('shipped')
  await berth.api('POST', '/labels', { name: label, color: '#17728f', scope: 'g' })
  await signIn(user)
  await page.goto(`/projects/${project}/scanner`)
  await page.getByRole('link', { name: 'Export findings' }).click()
  const dialog = page.getByRole('dialog', { name: 'New export' })
  await expect(dialog.getByRole('combobox', { name: 'Project' })).toHaveValue(project)
  await dialog.getByRole('button', { name: 'Add label' }).click()
  await page.getByPlaceholder('Find a label').fill(label)
  await page.getByRole('option', { name: label }).click()
  await dialog.getByRole('button', { name: 'Start export' }).click()
  await expect(page.getByText(/^Export \d+/)).toBeVisible()
})
