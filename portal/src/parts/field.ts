/** A form, as far as a field needs it. */
interface Form<P> {
  getInputProps: (path: P) => { value?: unknown; onChange?: (change: never) => void }
  validateField: (path: P) => unknown
}

/**
 * The properties of a field that is checked when somebody leaves it with something
 * in it. An error on one that is still empty would move what they are about to
 * click, and they would miss it.
 */
export function field<P, F extends Form<P>>(form: F & Form<P>, path: P): ReturnType<F['getInputProps']> & { onBlur: () => void } {
  const props = form.getInputProps(path) as ReturnType<F['getInputProps']> // what the form itself says that it returns
  return {
    ...props,
    onBlur: () => {
      if (props.value !== '') form.validateField(path)
    },
  }
}
