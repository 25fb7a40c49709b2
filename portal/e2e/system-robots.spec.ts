import { expect, test } from './fixtures'

test('a robot account of all projects pushes, until it is disabled', async ({ page, signIn, berth, unique }) => {
  const [name, project] = [unique('bot'), unique('p')]
  await berth.createProject(project)
  berth.push(`${project}/app:1`)
  await signIn()
  await page.goto('/robots')
  await page.getByRole('button', { name: 'New robot account' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'New robot account' })
  await dialog.getByLabel('Name', { exact: true }).fill(name)
  await expect(dialog.getByRole('button', { name: 'Create' })).toBeDisabled()
  await dialog.getByRole('button', { name: 'All projects' }).click()
  await dialog.getByRole('button', { name: 'To pull and push' }).click()
  await dialog.getByRole('button', { name: 'System' }).click()
  await dialog.getByLabel('User: List', { exact: true }).check()
  await dialog.getByRole('button', { name: 'Create' }).click()
  const secret = page.getByRole('dialog', { name: 'Secret of' })
  const login = await secret.getByRole('group', { name: 'Name', exact: true }).textContent()
  const password = await secret.getByRole('group', { name: 'Secret', exact: true }).textContent()
  await secret.getByRole('button', { name: 'I have kept it' }).click()
  await expect(secret).toBeHidden()
  const robot = { name: login ?? '', password: password ?? '' }
  berth.craneAs(robot, 'copy', `${berth.host}/${project}/app:1`, `${berth.host}/${project}/copy:2`)
  expect(berth.crane('ls', `${berth.host}/${project}/copy`)).toContain('2')
  expect(await berth.api('GET', '/users', undefined, robot)).toBeTruthy()
  const row = page.getByRole('row', { name })
  await expect(row).toContainText('System · All projects')
  await row.getByRole('button', { name: /Actions for/ }).click()
  await page.getByRole('menuitem', { name: 'Disable' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await expect(row).toContainText('Disabled')
  expect(() => berth.craneAs(robot, 'ls', `${berth.host}/${project}/app`)).toThrow(/UNAUTHORIZED|401/)
})

test('a robot account has its own permissions in each project', async ({ page, signIn, berth, unique }) => {
  const [name, one, two] = [unique('bot'), unique('one'), unique('two')]
  for (const project of [one, two]) await berth.createProject(project)
  await signIn()
  await page.goto('/robots')
  await page.getByRole('button', { name: 'New robot account' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'New robot account' })
  await dialog.getByLabel('Name', { exact: true }).fill(name)
  for (const project of [one, two]) {
    await dialog.getByLabel('Add a project').fill(project)
    await page.getByRole('option', { name: project }).click()
    await expect(dialog.getByRole('region', { name: project }).first()).toBeVisible()
  }
  await dialog.getByRole('button', { name: 'To pull and push' }).click()
  await dialog.getByRole('radio', { name: 'Never' }).check()
  await dialog.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('button', { name: 'I have kept it' }).click()
  const robots = (await berth.api('GET', `/robots?q=name%3D~${name}`)) as { expires_at: number; permissions: { namespace: string; access: { action: string }[] }[] }[]
  expect(robots[0]?.expires_at).toBe(-1)
  const pushes = robots[0]?.permissions.map((p) => [p.namespace, p.access.some((a) => a.action === 'push')])
  expect(pushes).toEqual([[one, false], [two, true]])
})
