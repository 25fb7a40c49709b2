import { createElement, type ReactNode } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { safeUrl } from './ExternalLink'
import classes from './Markdown.module.css'

/** What Markdown becomes. Headings stay below those of the page, as they are in its order. */
function components(level: number): Components {
  const heading = (depth: number) => {
    const name = `h${Math.min(level + depth, 6)}`
    return ({ children }: { children?: ReactNode }) => createElement(name, undefined, children)
  }
  return {
    h1: heading(1), h2: heading(1), h3: heading(2), h4: heading(2), h5: heading(3), h6: heading(3),
    a: ({ href, children }) => {
      const url = safeUrl(href)
      return url ? <a href={url} target="_blank" rel="noopener noreferrer nofollow">{children}</a> : <>{children}</>
    },
    // Pictures of other sites would tell these who reads this.
    img: ({ alt }) => <>{alt}</>,
    input: ({ checked }) => <>{checked ? '☑' : '☐'}</>,
    table: ({ children }) => <div className={classes.scroll} tabIndex={0} role="group"><table>{children}</table></div>,
    pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
  }
}

/** See Markdown.tsx, which fetches this when there is something to show. */
export default function MarkdownText({ text, level }: { text: string; level: number }) {
  return (
    <div className={classes.text}>
      <ReactMarkdown remarkPlugins={[remarkGfm]} components={components(level)} skipHtml>{text}</ReactMarkdown>
    </div>
  )
}
