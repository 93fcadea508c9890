// Runs before the first paint, so that a chosen theme does not flash into place.
import { applyTheme, storedTheme } from "./theme.js";

applyTheme(storedTheme());
