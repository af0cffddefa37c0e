/**
 * What is there at once, unless something has to be waited for. On the way of every run, where promises for what is there
 * already would cost more than a quick step does.
 */
export type MaybePromise<Value> = Value | Promise<Value>
