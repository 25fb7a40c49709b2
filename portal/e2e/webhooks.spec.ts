import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from './fixtures'

interface Got {
  headers: IncomingMessage['headers']
  body: string
}

/** A server that keeps what it is told, and answers with a status. */
async function listener(status: number) {
  const got: Got[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      got.push({ headers: request.headers, body })
      response.writeHead(status).end()
    })
  })
  await new Promise<void>((listens) => server.listen(0, '127.0.0.1', listens))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got, close: () => new Promise((closed) => server.close(closed)) }
}

test('a webhook is made and tried, and its outcome is seen', async ({ page, signIn, berth, unique }) => {
  const project = unique('hooks')
  await berth.createProject(project)
  const target = await listener(204)
  await signIn()
  await page.goto(`/projects/${project}/webhooks`)
  await page.getByRole('button', { name: 'New webhook' }).first().click()
  const form = page.getByRole('dialog', { name: 'New webhook' })
  await form.getByLabel('Name').fill('builds')
  await form.getByLabel('Artifact pushed').check()
  await form.getByLabel('Address').fill('nowhere')
  await form.getByLabel('Address').blur()
  await expect(form.getByText('An address that begins with')).toBeVisible()
  await form.getByLabel('Address').fill(target.url)
  await form.getByLabel('Authorization header').fill('Bearer 5ecret')
  await form.getByRole('button', { name: 'Create' }).click()

  await page.getByRole('button', { name: 'Actions for builds' }).click()
  await page.getByRole('menuitem', { name: 'Try' }).click()
  await expect(page.getByRole('row', { name: /Try HTTP Done/ })).toBeVisible()
  expect(target.got).toHaveLength(1)
  expect(target.got[0]?.headers.authorization).toBe('Bearer 5ecret')

  berth.push(`${project}/app:1`)
  await expect.poll(() => target.got.length).toBe(2)
  await page.reload()
  await expect(page.getByRole('row', { name: /Artifact pushed HTTP Done/ })).toBeVisible()
  await page.getByRole('button', { name: /^Details of execution/ }).first().click()
  const details = page.getByRole('dialog', { name: /Artifact pushed/ })
  await expect(details.getByRole('region', { name: 'What was sent' })).toContainText('"PUSH_ARTIFACT"')
  await expect(details.getByRole('log')).toContainText('taken')
  await expect(details.getByText('5ecret')).toBeHidden()
  await target.close()
})

test('a target that refuses is told of, with its answer in the log', async ({ page, signIn, berth, unique }) => {
  const project = unique('refused')
  await berth.createProject(project)
  const target = await listener(500)
  await berth.api('POST', `/projects/${project}/webhook/policies`, { name: 'broken', enabled: true, event_types: ['PUSH_ARTIFACT'], targets: [{ type: 'http', address: target.url }] })
  await signIn()
  await page.goto(`/projects/${project}/webhooks`)
  await page.getByRole('link', { name: 'broken' }).click()
  await page.getByRole('button', { name: 'Try' }).click()
  await page.getByRole('button', { name: /^Details of execution/ }).first().click()
  await expect(page.getByRole('dialog').getByRole('log')).toContainText('500')
  await target.close()
})

test('a webhook is changed with its header kept, disabled, and deleted', async ({ page, signIn, berth, unique }) => {
  const project = unique('kept')
  await berth.createProject(project)
  const policies = `/projects/${project}/webhook/policies`
  await berth.api('POST', policies, { name: 'chat', enabled: true, event_types: ['PUSH_ARTIFACT'], targets: [{ type: 'http', address: 'https://hooks.example.com/a', auth_header: 'Bearer 5ecret' }] })
  await signIn()
  await page.goto(`/projects/${project}/webhooks`)
  const act = async (name: string) => {
    await page.getByRole('button', { name: 'Actions for chat' }).click()
    await page.getByRole('menuitem', { name }).click()
  }
  await act('Edit')
  const form = page.getByRole('dialog')
  await expect(form.getByLabel('Authorization header')).toHaveValue('********')
  await form.getByLabel('Artifact deleted').check()
  await form.getByLabel('Payload format').selectOption('CloudEvents')
  await form.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('2 events')).toBeVisible()
  await act('Disable')
  await expect(page.getByRole('row', { name: /chat/ })).toContainText('Disabled')
  expect(await berth.api('GET', policies)).toMatchObject([{ enabled: false, event_types: ['DELETE_ARTIFACT', 'PUSH_ARTIFACT'], targets: [{ payload_format: 'CloudEvents', auth_header: '********' }] }])
  await act('Delete…')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByText('No webhooks yet')).toBeVisible()
})

test('maintainers see webhooks and change none', async ({ page, signIn, berth, unique }) => {
  const project = unique('seen')
  await berth.createProject(project)
  await berth.api('POST', `/projects/${project}/webhook/policies`, { name: 'chat', enabled: true, event_types: ['PUSH_ARTIFACT'], targets: [{ type: 'slack', address: 'https://hooks.slack.example/5ecret' }] })
  const user = await berth.createUser(unique('max'))
  await berth.addMember(project, user.name, 4)
  await signIn(user)
  await page.goto(`/projects/${project}/webhooks`)
  await page.getByRole('link', { name: 'chat' }).click()
  await expect(page.getByText('Nothing has been sent yet')).toBeVisible()
  await expect(page.getByRole('button', { name: /Try|Actions/ })).toHaveCount(0)
  await expect(page.getByText('5ecret')).toBeHidden()
})
