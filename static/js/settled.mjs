// Dexie's errors are no native ones, and Pyodide cannot raise them: in Python, to await what fails with one never ends.
export const settled = (promise) =>
  Promise.resolve(promise).then(
    (value) => ({ value, error: "" }),
    (error) => ({ value: undefined, error: `${error?.name ?? "Error"}: ${error?.message ?? error}` }),
  );
