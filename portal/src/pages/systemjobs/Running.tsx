import { Panel } from '~/parts/Panel'
import { WorkProgress } from '~/parts/WorkProgress'
import { useStop } from './History'
import { runs, type SystemJob, useLatest, type Work } from './queries'

interface Props {
  work: Work
  label: (job: SystemJob) => string
  then?: () => void // once it has begun or ended
}

/** What goes on of a kind of work, with a way to stop it; nothing where nothing does. */
export function Running({ work, label, then }: Props) {
  const latest = useLatest(work, then)
  const stop = useStop(work)
  if (!latest || !runs(latest)) return null
  return <Panel><WorkProgress label={label(latest)} onStop={() => void stop(latest.id)} /></Panel>
}
