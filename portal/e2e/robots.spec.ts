import { expect, test } from './fixtures'

test('a robot account is made, pushes as a client, and is refused once it is disabled', async ({ page, signIn, berth, unique }) => {
  const project = unique('robots')
  await berth.createProject(project)
  await signIn()
  await page.goto(`/projects/${project}/robots`)
  await page.getByRole('button', { name: 'New robot account' }).first().click()
  const form = page.getByRole('dialog', { name: 'New robot account' })
  await form.getByLabel('Name').fill('Not a name')
  await form.getByLabel('Name').blur()
  await expect(form.getByText('Small letters and digits')).toBeVisible()
  await form.getByLabel('Name').fill('ci')
  await form.getByLabel('Description').fill('Builds')
  await form.getByRole('button', { name: 'To pull and push' }).click()
  await expect(form.getByLabel('Repository: Push')).toBeChecked()
  await expect(form.getByLabel('Member: Delete')).not.toBeChecked()
  await form.getByRole('button', { name: 'Create' }).click()

  const secret = page.getByRole('dialog', { name: /^Secret of/ })
  const text = async (label: string) => (await secret.getByRole('group', { name: label, exact: true }).textContent()) ?? ''
  const robot = { name: await text('Name'), password: await text('Secret') }
  expect(robot.name).toBe(`robot$${project}+ci`)
  await page.keyboard.press('Escape')
  await expect(secret).toBeVisible() // it goes by its button alone
  await secret.getByRole('button', { name: 'I have kept it' }).click()
  await expect(page.getByText(robot.password)).toBeHidden()
  berth.push(`${project}/app:1`, 'by a robot', robot)
  expect(berth.craneAs(robot, 'ls', `${berth.host}/${project}/app`).trim()).toBe('1')

  await page.getByRole('button', { name: `Actions for ${robot.name}` }).click()
  await page.getByRole('menuitem', { name: 'Disable…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await expect(page.getByRole('row', { name: /\+ci/ })).toContainText('Disabled')
  expect(() => berth.push(`${project}/app:2`, 'by a robot', robot)).toThrow(/UNAUTHORIZED|401/)
})

test('a new secret ends the old one', async ({ page, signIn, berth, unique }) => {
  const project = unique('secret')
  await berth.createProject(project)
  const permissions = [{ kind: 'project', namespace: project, access: [{ resource: 'repository', action: 'pull' }, { resource: 'repository', action: 'push' }] }]
  const made = (await berth.api('POST', '/robots', { name: 'ci', level: 'project', duration: -1, permissions })) as { name: string; secret: string }
  await signIn()
  await page.goto(`/projects/${project}/robots`)
  await page.getByRole('button', { name: `Actions for ${made.name}` }).click()
  await page.getByRole('menuitem', { name: 'New secret…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Draw a new secret' }).click()
  const drawn = await page.getByRole('group', { name: 'Secret', exact: true }).textContent()
  expect(drawn).not.toBe(made.secret)
  berth.push(`${project}/app:1`, 'x', { name: made.name, password: drawn ?? '' })
  expect(() => berth.push(`${project}/app:1`, 'x', { name: made.name, password: made.secret })).toThrow(/UNAUTHORIZED|401/)
})

test('permissions and the end are changed, and the account is deleted', async ({ page, signIn, berth, unique }) => {
  const project = unique('changed')
  await berth.createProject(project)
  const permissions = [{ kind: 'project', namespace: project, access: [{ resource: 'repository', action: 'pull' }] }]
  const made = (await berth.api('POST', '/robots', { name: 'ci', level: 'project', duration: 30, permissions })) as { id: number; name: string }
  await signIn()
  await page.goto(`/projects/${project}/robots`)
  const actions = page.getByRole('button', { name: `Actions for ${made.name}` })
  await actions.click()
  await page.getByRole('menuitem', { name: 'Edit' }).click()
  const form = page.getByRole('dialog')
  await form.getByLabel('Never').check()
  await form.getByLabel('Everything of Tag', { exact: true }).check()
  await form.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('row', { name: /\+ci/ })).toContainText('never')
  expect(await berth.api('GET', `/robots/${made.id}`)).toMatchObject({
    duration: -1,
    permissions: [{ access: [{ resource: 'repository', action: 'pull' }, { resource: 'tag', action: 'create' }, { resource: 'tag', action: 'list' }, { resource: 'tag', action: 'delete' }] }],
  })
  await actions.click()
  await page.getByRole('menuitem', { name: 'Delete…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('No robot accounts yet')).toBeVisible()
})

test('who may only look sees no buttons', async ({ page, signIn, berth, unique }) => {
  const project = unique('looked')
  await berth.createProject(project)
  const user = await berth.createUser(unique('dev'))
  await berth.addMember(project, user.name, 2)
  await signIn(user)
  await page.goto(`/projects/${project}/robots`)
  await expect(page.getByText('No robot accounts yet')).toBeVisible()
  await expect(page.getByRole('button', { name: 'New robot account' })).toBeHidden()
})
