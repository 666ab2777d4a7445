// The page may load nothing from elsewhere, so what it shows and how is said here and not inline.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
