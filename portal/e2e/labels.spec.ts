import { expect, test } from './fixtures'

test('a label is made, changed and deleted', async ({ page, signIn, berth, unique }) => {
  const project = unique('labelled')
  await berth.createProject(project)
  await signIn()
  await page.goto(`/projects/${project}/labels`)
  await page.getByRole('button', { name: 'New label' }).first().click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('production')
  await dialog.getByLabel('As a number').fill('green')
  await dialog.getByLabel('As a number').blur()
  await expect(dialog.getByText('A colour such as')).toBeVisible()
  await dialog.getByRole('radio', { name: '#b3261e' }).click()
  await dialog.getByRole('button', { name: 'Create' }).click()
  await expect(page.getByRole('row', { name: /production/ })).toBeVisible()

  await page.getByRole('button', { name: 'New label' }).click()
  await dialog.getByLabel('Name').fill('production')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await expect(dialog.getByRole('alert')).toContainText('a label of that name exists')
  await dialog.getByLabel('Name').fill('staging')
  await dialog.getByRole('button', { name: 'Create' }).click()

  await page.getByRole('button', { name: 'Edit staging' }).click()
  await dialog.getByLabel('Description').fill('Before it is for people')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Before it is for people')).toBeVisible()

  await page.getByRole('button', { name: 'Delete production' }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('row', { name: /production/ })).toBeHidden()
  const { project_id } = (await berth.api('GET', `/projects/${project}`)) as { project_id: number }
  expect(await berth.api('GET', `/labels?scope=p&project_id=${project_id}`)).toMatchObject([{ name: 'staging', color: '#17728f', description: 'Before it is for people' }])
})
