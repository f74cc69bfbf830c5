import js from '@eslint/js'
import tseslint from 'typescript-eslint'

export default tseslint.config(
  { ignores: ['dist/', '.build/', '*.next-*/', '.tap/', 'coverage/', 'bench/peers/'] },
  js.configs.recommended,
  { files: ['scripts/*.js'], languageOptions: { globals: { console: 'readonly', process: 'readonly' } } },
  ...tseslint.configs.strict,
  {
    rules: {
      // The parsers name control bytes in their patterns.
      'no-control-regex': 'off',
      'require-yield': 'off',
      // A handler, or an operation, may return nothing.
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
)
