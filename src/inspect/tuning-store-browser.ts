// The browser's side of "#tuning": measured schedules in IndexedDB.

const STORE = "tuning";

/** Does one request in the store; undefined where the page has no storage or may not use it, or something else has its name. */
function request<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const fail = (): void => resolve(undefined);
    try {
      // Throws in frames of an opaque origin.
      const opening = indexedDB.open("wgrad", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onerror = fail;
      opening.onblocked = fail;
      opening.onsuccess = () => {
        const database = opening.result;
        try {
          // Throws where the database is another's, without this store.
          const transaction = database.transaction(STORE, mode);
          const asked = ask(transaction.objectStore(STORE));
          transaction.oncomplete = () => resolve(asked.result);
          transaction.onerror = fail;
          transaction.onabort = fail;
        } catch {
          fail();
        }
        // It closes when the transaction is done.
        database.close();
      };
    } catch {
      fail();
    }
  });
}

/** The text kept under `key`; undefined where there is none, or it cannot be read. */
export async function readTuning(key: string): Promise<string | undefined> {
  const found = await request("readonly", (store) => store.get(key));
  return typeof found === "string" ? found : undefined;
}

/** Keeps the text; false where the page has no storage. */
export async function writeTuning(key: string, text: string): Promise<boolean> {
  return (await request("readwrite", (store) => store.put(text, key))) !== undefined;
}
