import t from 'tap'
import { CrewWatch } from '../../lib/loop/crew-watch.ts'

const well = { isClaiming: true, isStandbyMissing: false }

t.test('what two looks in a row have seen is told once, until it was otherwise', async t => {
  const told: string[] = []
  const watch = new CrewWatch({
    noActive: () => told.push('noActive'),
    noStandby: () => told.push('noStandby'),
  })
  const look = (seen: Partial<typeof well>, expected: string[]) => {
    watch.heed({ ...well, ...seen })
    t.same(told.splice(0), expected)
  }
  look({}, [])
  look({ isClaiming: false }, [])
  look({}, [])
  look({ isClaiming: false }, [])
  look({ isClaiming: false, isStandbyMissing: true }, ['noActive'])
  look({ isClaiming: false, isStandbyMissing: true }, ['noStandby'])
  look({ isClaiming: false }, [])
  look({ isClaiming: true, isStandbyMissing: true }, [])
  look({ isClaiming: false, isStandbyMissing: true }, ['noStandby'])
  look({ isClaiming: false, isStandbyMissing: true }, ['noActive'])
})
