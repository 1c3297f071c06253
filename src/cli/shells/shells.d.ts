/** A script of a shell, which the build puts in as a text. */
declare module '*.bash' {
  export default text
  const text: string
}
declare module '*.zsh' {
  export default text
  const text: string
}
declare module '*.fish' {
  export default text
  const text: string
}
declare module '*.ps1' {
  export default text
  const text: string
}
