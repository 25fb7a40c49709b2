import { randomBytes } from 'node:crypto'
import { expect, heading, test } from './fixtures'

test('the audit log is read and filtered', async ({ berth, page, signIn, unique }) => {
  const project = unique('audited')
  await berth.createProject(project)
  berth.push(`${project}/app:v1`)
  const user = await berth.createUser(unique('auditor'))
  await signIn()
  await page.goto('/audit-log')
  await page.getByRole('searchbox', { name: 'Filter by what it was done to' }).fill(project)
  const rows = page.getByRole('table', { name: 'Audit log' }).locator('tbody tr')
  await expect(rows.filter({ hasText: 'Artifact' }).first()).toContainText(project)
  await page.getByRole('combobox', { name: 'Any resource' }).selectOption('project')
  await expect(rows).toHaveCount(1)
  await expect(rows.first()).toContainText('Create')
  await page.getByLabel('To', { exact: true }).fill('2020-01-01')
  await expect(page.getByText('Nothing here meets the filter.')).toBeVisible()
  await page.goto('/audit-log')
  await page.getByRole('textbox', { name: 'User' }).fill(user.name)
  await expect(page.getByText('Nothing meets the filters')).toBeVisible()
  await berth.api('GET', '/users/current', undefined, user)
  await page.getByRole('textbox', { name: 'User' }).fill('admin')
  await expect(rows.first()).toContainText('admin')
})

test('a queue is paused and resumed', async ({ berth, page, signIn }) => {
  await signIn()
  await page.goto('/job-service')
  const row = page.locator('tbody tr').filter({ hasText: 'Replication' })
  await row.getByRole('button', { name: 'Pause Replication' }).click()
  await expect(row).toContainText('Paused')
  expect(await berth.api('GET', '/jobservice/queues')).toContainEqual(expect.objectContaining({ job_type: 'REPLICATION', paused: true }))
  await row.getByRole('button', { name: 'Resume Replication' }).click()
  await expect(row).toContainText('Open')
  expect(await berth.api('GET', '/jobservice/queues')).toContainEqual(expect.objectContaining({ job_type: 'REPLICATION', paused: false }))
})

test('all schedules are paused together, and workers are free', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/job-service/schedules')
  await page.getByRole('button', { name: 'Pause all schedules' }).click()
  await expect(page.getByText('Nothing is started by itself until they are resumed.')).toBeVisible()
  await page.getByRole('button', { name: 'Resume all schedules' }).click()
  await expect(page.getByText('Nothing is started by itself until they are resumed.')).toBeHidden()
  await page.getByRole('link', { name: 'Workers' }).click()
  await expect(page.getByText(/of \d+ workers (is|are) free/)).toBeVisible()
})

test('the overview counts, and leads on', async ({ berth, page, signIn, unique }) => {
  const project = unique('overview')
  await berth.createProject(project)
  // More than what any other test stores, since the fullest projects are shown.
  berth.push(`${project}/app:v1`, randomBytes(2_000_000).toString('base64'))
  await signIn()
  await page.goto('/overview')
  await page.getByRole('link', { name: new RegExp(`^${project}`) }).click()
  await expect(heading(page, project)).toBeVisible()
})

test('only administrators have these pages', async ({ berth, page, signIn, unique }) => {
  await signIn(await berth.createUser(unique('nobody')))
  await page.goto('/settings')
  await expect(page).toHaveURL(/\/projects$/)
  await expect(page.getByRole('link', { name: 'Settings' })).toHaveCount(0)
})
