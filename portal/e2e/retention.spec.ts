import { keeping } from './furnish-tabs'
import { expect, test } from './fixtures'

test('a retention rule is set, tried and run, and what it does not keep goes', async ({ page, signIn, berth, unique }) => {
  const project = unique('kept')
  await berth.createProject(project)
  for (const tag of ['1', '2', '3']) berth.push(`${project}/app:${tag}`)
  await signIn()
  await page.goto(`/projects/${project}/policy`)
  await expect(page.getByText('Everything stays')).toBeVisible()
  await page.getByRole('button', { name: 'Add rule' }).click()
  const form = page.getByRole('dialog', { name: 'Add rule' })
  await form.getByLabel('How many').fill('1')
  await form.getByRole('button', { name: 'Add' }).click()
  await expect(page.getByText('Keep the artifact pushed last')).toBeVisible()

  const tags = () => berth.crane('ls', `${berth.host}/${project}/app`).trim().split('\n')
  await page.getByRole('button', { name: 'Dry run' }).click()
  await expect(page.getByRole('row', { name: /Done Dry run/ })).toBeVisible()
  expect(tags()).toEqual(['1', '2', '3'])
  await page.getByRole('link', { name: /^Run \d+/ }).click()
  await expect(page.getByRole('row', { name: /app Done 1 2/ })).toBeVisible()
  await page.getByRole('button', { name: 'Log of app' }).click()
  await expect(page.getByRole('log')).toContainText('RETAIN')
  await expect(page.getByRole('log')).toContainText('DEL')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('link', { name: 'app', exact: true })).toHaveAttribute('href', `/projects/${project}/repositories/app`)

  await page.getByRole('link', { name: 'Runs' }).click()
  await page.getByRole('button', { name: 'Run now' }).click()
  await page.getByRole('dialog', { name: 'Run retention now?' }).getByRole('button', { name: 'Run' }).click()
  await expect(page.getByRole('row', { name: /Done Run/ })).toBeVisible()
  expect(tags()).toEqual(['3'])
})

test('rules are changed, disabled and deleted, and a schedule is set', async ({ page, signIn, berth, unique }) => {
  const project = unique('rules')
  await berth.createProject(project)
  const { project_id } = (await berth.api('GET', `/projects/${project}`)) as { project_id: number }
  await berth.api('POST', '/retentions', { algorithm: 'or', scope: { level: 'project', ref: project_id }, rules: [keeping('latestPushedK', 5), keeping('always', 0, 'v*')] })
  const kept = async () => {
    const { metadata } = (await berth.api('GET', `/projects/${project}`)) as { metadata: { retention_id: string } }
    return berth.api('GET', `/retentions/${metadata.retention_id}`)
  }
  await signIn()
  await page.goto(`/projects/${project}/policy`)
  const act = async (rule: number, name: string) => {
    await page.getByRole('button', { name: `Actions for rule ${rule}` }).click()
    await page.getByRole('menuitem', { name }).click()
  }
  await act(1, 'Edit rule')
  const form = page.getByRole('dialog', { name: 'Edit rule' })
  await form.getByLabel('What stays').selectOption('What was pulled in the last days')
  await form.getByLabel('Days').fill('14')
  await form.getByLabel('Repositories', { exact: true }).selectOption('all but')
  await form.getByLabel('Pattern of repositories').fill('base/**')
  await form.getByLabel('Also artifacts without a tag').uncheck()
  await form.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Keep what was pulled in the last 14 days')).toBeVisible()
  await act(2, 'Disable')
  await expect(page.getByRole('listitem').filter({ hasText: 'Keep everything' })).toContainText('Disabled')

  await page.getByRole('button', { name: 'Change' }).click()
  const schedule = page.getByRole('dialog', { name: 'Schedule' })
  await schedule.getByLabel('Retention runs').selectOption('Every day')
  await schedule.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('It runs only when somebody starts it.')).toBeHidden()
  expect(await kept()).toMatchObject({
    trigger: { settings: { cron: '0 0 0 * * *' } },
    rules: [
      { template: 'nDaysSinceLastPull', params: { nDaysSinceLastPull: 14 }, tag_selectors: [{ extras: '{"untagged":false}' }], scope_selectors: { repository: [{ decoration: 'repoExcludes', pattern: 'base/**' }] } },
      { template: 'always', disabled: true },
    ],
  })

  await act(2, 'Delete…')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('Keep everything')).toBeHidden()
  // The same rule twice is refused, in the server's words.
  await page.getByRole('button', { name: 'Add rule' }).click()
  const twice = page.getByRole('dialog', { name: 'Add rule' })
  await twice.getByLabel('What stays').selectOption('What was pulled in the last days')
  await twice.getByLabel('Days').fill('14')
  await twice.getByLabel('Repositories', { exact: true }).selectOption('all but')
  await twice.getByLabel('Pattern of repositories').fill('base/**')
  await twice.getByLabel('Also artifacts without a tag').uncheck()
  await twice.getByRole('button', { name: 'Add' }).click()
  await expect(twice.getByText(/same|twice|already/)).toBeVisible()
})

test('an immutable tag refuses a push, until its rule is disabled', async ({ page, signIn, berth, unique }) => {
  const project = unique('fixed')
  await berth.createProject(project)
  berth.push(`${project}/app:v1`, 'first')
  await signIn()
  await page.goto(`/projects/${project}/policy`)
  await page.getByRole('link', { name: 'Tag immutability' }).click()
  await page.getByRole('button', { name: 'New rule' }).first().click()
  const form = page.getByRole('dialog', { name: 'New rule' })
  await form.getByLabel('Pattern of tags').fill('v*')
  await form.getByRole('button', { name: 'Create' }).click()
  await expect(page.getByRole('row', { name: /matching v\*/ })).toContainText('Enabled')
  expect(() => berth.push(`${project}/app:v1`, 'second')).toThrow(/immutable/i)
  berth.push(`${project}/app:latest`, 'second')

  await page.getByRole('button', { name: 'Actions for the rule about v*' }).click()
  await page.getByRole('menuitem', { name: 'Disable…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByRole('row', { name: /matching v\*/ })).toContainText('Disabled')
  berth.push(`${project}/app:v1`, 'second')

  await page.getByRole('button', { name: 'Actions for the rule about v*' }).click()
  await page.getByRole('menuitem', { name: 'Delete…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('No tag is immutable')).toBeVisible()
})

test('developers manage retention, and see nothing of the other policies', async ({ page, signIn, berth, unique }) => {
  const project = unique('dev')
  await berth.createProject(project)
  const user = await berth.createUser(unique('dev'))
  await berth.addMember(project, user.name, 2)
  await signIn(user)
  await page.goto(`/projects/${project}/policy`)
  await expect(page.getByRole('button', { name: 'Add rule' })).toBeVisible()
  await expect(page.getByRole('link', { name: /Tag immutability|Trust/ })).toHaveCount(0)
})
