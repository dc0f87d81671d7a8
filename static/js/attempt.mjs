// Dexie's errors are no native ones, and Pyodide cannot raise them: in Python, to await what fails with one never ends. Pyodide makes
// a future of a promise as soon as a call returns it, so the call itself is made here.
const told = (error) => ({ value: undefined, error: `${error?.name ?? "Error"}: ${error?.message ?? error}` });

export async function attempt(target, method, ...given) {
  try {
    return { value: await target[method](...given), error: "" };
  } catch (error) {
    return told(error);
  }
}
