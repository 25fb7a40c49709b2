import { expect, heading, test } from './fixtures'

test('a project without images shows the three commands that push the first', async ({ page, signIn, berth, unique }) => {
  const project = unique('empty')
  await berth.createProject(project)
  await signIn()
  await page.goto(`/projects/${project}`)
  await page.getByRole('navigation', { name: 'Parts of the project' }).getByRole('link', { name: 'Repositories' }).click()
  for (const command of ['docker login', 'docker tag', 'docker push']) await expect(page.getByText(command)).toBeVisible()
  await expect(page.getByText(`docker push ${berth.host}/${project}/alpine:latest`)).toBeVisible()
})

test('repositories are listed with what is in them, and their artifacts with tags', async ({ page, signIn, berth, unique, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  const project = unique('images')
  await berth.createProject(project)
  berth.push(`${project}/team/app:1.0`)
  berth.push(`${project}/team/app:2.0`)
  berth.crane('tag', `${berth.host}/${project}/team/app:2.0`, 'latest')
  await signIn()
  await page.goto(`/projects/${project}/repositories`)
  await expect(page.getByRole('row', { name: 'team/app' })).toContainText('2')
  await page.getByRole('link', { name: 'team/app' }).click()
  await expect(heading(page, 'team/app')).toBeVisible()
  await expect(page.getByRole('row', { name: 'latest' })).toContainText('2.0')

  await page.getByRole('row', { name: '1.0' }).getByRole('button', { name: 'Pull commands' }).click()
  const command = `docker pull ${berth.host}/${project}/team/app:1.0`
  await expect(page.getByText(command)).toBeVisible()
  await page.getByRole('dialog').getByRole('button', { name: 'Copy' }).first().click()
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(command)
  await page.keyboard.press('Escape')

  await page.getByLabel('Filter by tag').fill('1.0')
  await expect(page.getByText('1–1 of 1')).toBeVisible()
  await page.reload()
  await expect(page.getByText('1–1 of 1')).toBeVisible()
})

test('artifacts are told by whether they have tags', async ({ page, signIn, berth, unique }) => {
  const project = unique('untagged')
  await berth.createProject(project)
  berth.push(`${project}/app:1`, 'first')
  berth.push(`${project}/app:1`, 'second')
  await signIn()
  await page.goto(`/projects/${project}/repositories/app`)
  await expect(page.getByText('1–2 of 2')).toBeVisible()
  await page.getByText('Untagged', { exact: true }).click()
  await expect(page.getByText('1–1 of 1')).toBeVisible()
  await expect(page.getByRole('row').nth(1)).toContainText('untagged')
  await page.getByText('Tagged', { exact: true }).click()
  await expect(page.getByRole('row').nth(1)).not.toContainText('untagged')
})

test('a repository is deleted with all that is in it, after its name was typed', async ({ page, signIn, berth, unique }) => {
  const project = unique('remove')
  await berth.createProject(project)
  berth.push(`${project}/old:1`)
  await signIn()
  await page.goto(`/projects/${project}/repositories`)
  await page.getByRole('button', { name: `Delete ${project}/old` }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('One artifact goes with it')
  await dialog.getByRole('textbox').fill('old')
  await dialog.getByRole('button', { name: 'Delete repository' }).click()
  await expect(page.getByText('No repositories yet')).toBeVisible()
})

test('a repository that is not there is told in the server’s words', async ({ page, signIn }) => {
  await signIn()
  await page.goto('/projects/library/repositories/none')
  await expect(page.getByRole('main')).toContainText('not known to this registry: library/none')
})
