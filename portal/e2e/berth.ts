import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const binary = process.env['BERTH_TEST_BIN'] ?? join(root, 'bin/berth')
const crane = join(root, '.cache/tools/crane')

export const admin = { name: 'admin', password: 'Berth-under-test-1' }

/** Who asks the API. */
export interface Caller {
  name: string
  password: string
}

/** A "berth serve" of the tests' own, on a folder and a port of its own. */
export class Berth {
  private constructor(
    readonly host: string,
    private readonly folder: string,
    private readonly server: ChildProcess,
  ) {}

  get url() {
    return `http://${this.host}`
  }

  /** Starts a server on an empty folder, and returns when it answers. */
  static async start(): Promise<Berth> {
    const folder = mkdtempSync(join(tmpdir(), 'berth-portal-'))
    const host = `127.0.0.1:${await freePort()}`
    const log = openSync(join(folder, 'log'), 'a')
    const server = spawn(binary, ['serve', '--data', join(folder, 'data'), '--listen', host], {
      env: { PATH: process.env['PATH'], BERTH_ADMIN_PASSWORD: admin.password, BERTH_ADVISORIES_SOURCE: 'off', BERTH_OUTBOUND_ALLOW: '127.0.0.1' },
      stdio: ['ignore', log, log],
    })
    const berth = new Berth(host, folder, server)
    await berth.answers()
    return berth
  }

  private async answers(): Promise<void> {
    const deadline = Date.now() + 20_000
    while (Date.now() < deadline && this.server.exitCode === null) {
      const answer = await fetch(`${this.url}/api/v2.0/ping`).catch(() => undefined)
      if (answer?.ok) return
      await new Promise((later) => setTimeout(later, 30))
    }
    throw new Error(`the server did not come up:\n${readFileSync(join(this.folder, 'log'), 'utf8')}`)
  }

  /** Ends the server and removes what it kept. */
  async stop(): Promise<void> {
    const ended = new Promise((done) => this.server.once('exit', done))
    this.server.kill('SIGTERM')
    await ended
    rmSync(this.folder, { recursive: true })
  }

  /** Asks the API, as the administrator unless somebody else is named; returns the answer's JSON, if it is any. */
  async api(method: string, path: string, body?: unknown, caller: Caller = admin): Promise<unknown> {
    const answer = await fetch(`${this.url}/api/v2.0${path}`, {
      method,
      headers: {
        Authorization: `Basic ${Buffer.from(`${caller.name}:${caller.password}`).toString('base64')}`,
        'Content-Type': 'application/json',
        'X-Is-Resource-Name': 'true',
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return answer.headers.get('Content-Type')?.startsWith('application/json') ? JSON.parse(text) : undefined
  }

  createProject(name: string, isPublic = false) {
    return this.api('POST', '/projects', { project_name: name, metadata: { public: String(isPublic) } })
  }

  /** Creates a user who may sign in. */
  async createUser(name: string): Promise<Caller> {
    const password = 'Portal-under-test-1'
    await this.api('POST', '/users', { username: name, email: `${name}@example.com`, realname: name, password })
    return { name, password }
  }

  /** Gives a user a role in a project: 1 admin, 2 developer, 3 guest, 4 maintainer, 5 limited guest. */
  addMember(project: string, user: string, role: number) {
    return this.api('POST', `/projects/${project}/members`, { role_id: role, member_user: { username: user } })
  }

  /** Pushes a small image of its own content with crane: push('library/alpine:3'). */
  push(image: string, content = image, caller: Caller = admin): void {
    const work = mkdtempSync(join(this.folder, 'push-'))
    writeFileSync(join(work, 'content'), content)
    execFileSync('tar', ['-C', work, '-cf', join(work, 'layer.tar'), 'content'])
    this.craneAs(caller, 'append', '-f', join(work, 'layer.tar'), '-t', `${this.host}/${image}`)
  }

  /** Runs crane, signed in as the administrator. */
  crane(...args: string[]): string {
    return this.craneAs(admin, ...args)
  }

  /** Runs crane, signed in as somebody: a user or a robot account. */
  craneAs(caller: Caller, ...args: string[]): string {
    const config = mkdtempSync(join(this.folder, 'docker-'))
    const auth = Buffer.from(`${caller.name}:${caller.password}`).toString('base64')
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [this.host]: { auth } } }))
    return execFileSync(crane, args, { env: { PATH: process.env['PATH'], DOCKER_CONFIG: config }, encoding: 'utf8', stdio: 'pipe' })
  }
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer().on('error', failed)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (address && typeof address === 'object' ? done(address.port) : failed(new Error('no port'))))
    })
  })
}
