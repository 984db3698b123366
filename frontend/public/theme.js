// Before anything is painted: the theme chosen here, else the system's. Kept apart from the bundle so that it runs first.
try {
  var chosen = JSON.parse(localStorage.getItem('live-trading-ui') || '{}');
  var theme = (chosen.state && chosen.state.theme) || 'system';
  var dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
} catch (error) {
  document.documentElement.dataset.theme = 'light';
}
